import { join } from 'node:path';
import { bundle } from '../../deploy/bundle.ts';
import { projectDir } from './context.ts';

/** The command as it is shipped: started by a shell script that sets the size of its heap. */
export const command = join(projectDir, 'bin', 'holdfast');

/** Builds what `command` runs. */
export async function compile(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await bundle(join(projectDir, 'dist'));
}

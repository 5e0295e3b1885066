import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectDir } from './context.ts';

const run = promisify(execFile);

/** The command as it is shipped: started by a shell script that sets the size of its heap. */
export const command = join(projectDir, 'bin', 'holdfast');

/** Compiles what `command` runs. */
export async function compile(signal: AbortSignal): Promise<void> {
  await run(join(projectDir, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], { cwd: projectDir, signal });
}

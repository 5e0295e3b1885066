import { execFile } from 'node:child_process';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A file of ours that goes into a Go module which is built otherwise as it is. */
export interface Amendment {
  readonly module: string;
  readonly file: string;
  /** Within the module. */
  readonly folder: string;
}

/** Below `work`, a copy of the Go module in `pins` with all its versions, where the amended module is a copy, too. Resolves with its folder. */
export async function amendedModule(
  pins: string,
  { module, file, folder }: Amendment,
  work: string,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const [copy, source] = [join(work, 'pins'), join(work, 'source')];
  const go = async (cwd: string, ...args: string[]) => (await run('go', args, { cwd, env, maxBuffer: 16 * 2 ** 20 })).stdout;
  const { Dir } = JSON.parse(await go(pins, 'mod', 'download', '-json', module)) as { Dir: string };
  await mkdir(copy, { recursive: true });
  for (const name of ['go.mod', 'go.sum']) await copyFile(join(pins, name), join(copy, name));
  // The cache of modules is read-only, and so would its copy be.
  await run('cp', ['-R', Dir, source]);
  await run('chmod', ['-R', 'u+w', source]);
  await copyFile(file, join(source, folder, 'holdfast.go'));
  await go(copy, 'mod', 'edit', '-replace', `${module}=../source`);
  return copy;
}

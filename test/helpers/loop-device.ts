import { execFile } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A block device of this machine that lies in a file. */
export interface LoopDevice {
  readonly path: string;
  remove(): Promise<void>;
}

/** Making one takes root, and a kernel with loop devices. */
export async function canLoop(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  return run('losetup', ['-f']).then(
    () => true,
    () => false,
  );
}

/** A device with this content, or of so many bytes of zeros; the size is a multiple of 512. */
export async function loopDevice(file: string, content: Buffer | number): Promise<LoopDevice> {
  if (typeof content === 'number') {
    await writeFile(file, '');
    await truncate(file, content);
  } else await writeFile(file, content);
  const path = (await run('losetup', ['-f', '--show', file])).stdout.trim();
  const remove = async () => {
    await run('blockdev', ['--setrw', path]); // a device that was made read-only stays so, for whoever gets it next
    await run('losetup', ['-d', path]);
  };
  return { path, remove };
}

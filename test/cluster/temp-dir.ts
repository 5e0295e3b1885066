import { chmod, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { makeGuardedDir } from './guarded-dir.ts';

let root: Promise<string> | undefined;

/**
 * A folder of its own, mode 0700, that nobody needs to remove: it goes with this process, however that ends, and whatever failed or took too
 * long before. A file of tests runs in a process of its own.
 */
export async function tempDir(name: string): Promise<string> {
  root ??= makeRoot();
  return mkdtemp(join(await root, `${name}-`));
}

/** One guard for all. Programs that run as somebody else find the way through it. */
async function makeRoot(): Promise<string> {
  const { path } = await makeGuardedDir('holdfast-files-');
  await chmod(path, 0o711);
  return path;
}

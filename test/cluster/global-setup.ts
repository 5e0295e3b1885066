import { join } from 'node:path';
import { bundle } from '../../deploy/bundle.ts';
import { buildAll, testBinaries } from './build.ts';
import { makeGuardedDir } from './guarded-dir.ts';
import { fetchK3sImage } from './k3s-cluster.ts';

/**
 * Before the first test: every server is there, so that no test's time limit runs during a build or a download, and the program is bundled, so
 * that commands run as they are shipped. Gives what takes it away.
 */
export async function setup(): Promise<() => Promise<void>> {
  const tell = (line: string) => console.log(`[servers] ${line}`);
  await buildAll(testBinaries, tell);
  await fetchK3sImage(tell);
  const { path, remove } = await makeGuardedDir('holdfast-program-');
  await bundle(join(path, 'dist'));
  process.env['HOLDFAST_TEST_PROGRAM'] = join(path, 'dist', 'main.js');
  return remove;
}

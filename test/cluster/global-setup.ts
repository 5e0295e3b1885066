import { buildAll, testBinaries } from './build.ts';
import { fetchK3sImage } from './k3s-cluster.ts';

/** Before the first test: every server is there, so that no test's time limit runs during a build or a download. */
export async function setup(): Promise<void> {
  const tell = (line: string) => console.log(`[servers] ${line}`);
  await buildAll(testBinaries, tell);
  await fetchK3sImage(tell);
}

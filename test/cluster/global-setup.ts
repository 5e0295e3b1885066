import { buildAll, testBinaries } from './build.ts';

/** Before the first test: every server is there, so that no test's time limit runs during a build. */
export async function setup(): Promise<void> {
  await buildAll(testBinaries, line => console.log(`[servers] ${line}`));
}

import { basename, join } from 'node:path';
import { type BinaryName, binary, binaryNames, cacheDir } from './binaries.ts';
import { programsKept, pruneFolder } from './prune-cache.ts';

/** What the suites and the demo run on; the rest is for comparisons. */
export const testBinaries = binaryNames.filter(name => !/^(velero|kopia)/.test(name));

/** Builds one after the other: each build uses all processors by itself. Then removes what no pin names any more. */
export async function buildAll(names: readonly BinaryName[], onProgress: (line: string) => void): Promise<void> {
  for (const name of names) onProgress(`${name}: ${await binary(name, onProgress)}`);
  const gone = await pruneFolder(join(cacheDir(), 'bin'), { ...programsKept, names: binaryNames });
  if (gone.length > 0) onProgress(`removed from the cache, as nobody uses them any more: ${gone.map(file => basename(file)).join(', ')}`);
}

if (import.meta.main) {
  const names = process.argv.slice(2);
  const unknown = names.filter(name => !binaryNames.includes(name as BinaryName));
  if (unknown.length > 0) {
    console.error(`unknown: ${unknown.join(', ')}; known: ${binaryNames.join(', ')}`);
    process.exitCode = 2;
  } else {
    await buildAll(names.length > 0 ? (names as BinaryName[]) : testBinaries, line => console.log(line));
  }
}

import { type BinaryName, binary, binaryNames } from './binaries.ts';

/** What the suites and the demo run on; the rest is for comparisons. */
export const testBinaries = binaryNames.filter(name => !/^(velero|kopia)/.test(name));

/** Builds one after the other: each build uses all processors by itself. */
export async function buildAll(names: readonly BinaryName[], onProgress: (line: string) => void): Promise<void> {
  for (const name of names) onProgress(`${name}: ${await binary(name, onProgress)}`);
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

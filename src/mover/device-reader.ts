import { closeSync, openSync, readSync, writeSync } from 'node:fs';

const chunkBytes = 4 * 2 ** 20;

/** Writes all bytes of the device, or the file, to the descriptor. Throws at the first one that cannot be read or written. */
function copyDevice(path: string, output: number): void {
  const input = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    for (let read = readSync(input, buffer); read > 0; read = readSync(input, buffer)) {
      for (let written = 0; written < read; ) written += writeSync(output, buffer, written, read - written);
    }
  } finally {
    closeSync(input);
  }
}

// A program of its own, which restic starts: see device-reader-command.ts.
try {
  copyDevice(process.argv[2] ?? '', 1);
} catch (thrown) {
  process.stderr.write(`${(thrown as Error).message}\n`);
  process.exitCode = 1;
}

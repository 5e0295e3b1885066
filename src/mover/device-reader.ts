import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const chunkBytes = 4 * 2 ** 20;

/** The command that prints a device: this file, run by the Node that runs now. */
export function deviceReaderCommand(path: string): string[] {
  return [process.execPath, fileURLToPath(import.meta.url), path];
}

/** Writes all bytes of the device, or the file, to the descriptor. Throws at the first one that cannot be read or written. */
export function copyDevice(path: string, output: number): number {
  const input = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    let total = 0;
    for (let read = readSync(input, buffer); read > 0; read = readSync(input, buffer)) {
      for (let written = 0; written < read; ) written += writeSync(output, buffer, written, read - written);
      total += read;
    }
    return total;
  } finally {
    closeSync(input);
  }
}

if (import.meta.main) {
  try {
    copyDevice(process.argv[2] ?? '', 1);
  } catch (thrown) {
    process.stderr.write(`${(thrown as Error).message}\n`);
    process.exitCode = 1;
  }
}

import { fileURLToPath } from 'node:url';

/** The command that prints a device, or a file, to its standard output: device-reader.ts, run by the Node that runs now. */
export function deviceReaderCommand(path: string): string[] {
  const file = import.meta.url.endsWith('.ts') ? './device-reader.ts' : './device-reader.js';
  return [process.execPath, fileURLToPath(new URL(file, import.meta.url)), path];
}

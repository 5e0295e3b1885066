import { open, readFile } from 'node:fs/promises';

const chunkBytes = 4 * 1024 * 1024;

/** Whoever is not root may not look into other processes; elsewhere than on Linux there is no such file. */
export const canReadMemory = process.platform === 'linux' && process.getuid?.() === 0;

/** Which of these byte strings lie in the writable memory of a process, by name. */
export async function foundInMemory<Name extends string>(pid: number, wanted: Readonly<Record<Name, Uint8Array>>): Promise<Name[]> {
  const needles = (Object.entries(wanted) as [Name, Uint8Array][]).map(([name, bytes]) => [name, Buffer.from(bytes)] as const);
  const overlap = Math.max(...needles.map(([, bytes]) => bytes.length)) - 1;
  const found = new Set<Name>();
  const memory = await open(`/proc/${pid}/mem`);
  try {
    const chunk = Buffer.alloc(chunkBytes);
    for (const [start, end] of writable(await readFile(`/proc/${pid}/maps`, 'utf8'))) {
      for (let at = start; at < end; at += chunkBytes - overlap) {
        // What was unmapped meanwhile holds nothing any more.
        const { bytesRead } = await memory.read(chunk, 0, Math.min(chunkBytes, end - at), at).catch(() => ({ bytesRead: 0 }));
        const read = chunk.subarray(0, bytesRead);
        for (const [name, bytes] of needles) if (read.includes(bytes)) found.add(name);
      }
    }
  } finally {
    await memory.close();
  }
  return [...found].toSorted();
}

/** First address and the one after the last. */
function writable(maps: string): [number, number][] {
  return maps.split('\n').flatMap(line => {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    return start === undefined || end === undefined ? [] : [[Number.parseInt(start, 16), Number.parseInt(end, 16)] as [number, number]];
  });
}

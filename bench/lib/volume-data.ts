import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const smallFiles = 20_000;
export const largeBytes = 512 * 2 ** 20;
const filesInFolder = 100;
const largeFiles = 8;

export interface VolumeFacts {
  readonly files: number;
  readonly bytes: number;
}

/** What an agent's workspace is like: many small files of text, and some large ones that nothing compresses. */
export async function makeVolume(dir: string): Promise<VolumeFacts> {
  let bytes = 0;
  for (let i = 0; i < smallFiles; i += 1) {
    const folder = join(dir, 'src', `${Math.floor(i / filesInFolder)}`);
    if (i % filesInFolder === 0) await mkdir(folder, { recursive: true });
    const content = source(i);
    bytes += content.length;
    await writeFile(join(folder, `module-${i}.ts`), content);
  }
  await mkdir(join(dir, 'artifacts'));
  for (let i = 0; i < largeFiles; i += 1) await writeFile(join(dir, 'artifacts', `model-${i}.bin`), randomBytes(largeBytes / largeFiles));
  return { files: smallFiles + largeFiles, bytes: bytes + largeBytes };
}

/** 1 to 8 KB, no two the same; about as compressible as code. */
function source(i: number): Buffer {
  const lines = Array.from({ length: 10 + ((i * 37) % 80) }, (_, line) => {
    const id = randomBytes(6).toString('hex');
    return `export const value${line} = compute('${id}', ${(i * 31 + line * 17) % 9973}); // step ${line} of module ${i}`;
  });
  return Buffer.from(`${lines.join('\n')}\n`);
}

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { generateIdentity, open, openStream, recipientOf, seal, sealStream } from '../../src/crypto/age.ts';
import { readIdentityFile, readRecipientFile, writeNewKeyFile } from '../../src/crypto/keys.ts';
import { binary } from '../cluster/binaries.ts';
import { tempDir } from '../cluster/temp-dir.ts';

const run = promisify(execFile);
const chunk = 64 * 1024;
const sizes = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 1_000_000];

let dir: string;
let age: string;
let keygen: string;
beforeAll(async () => {
  dir = await tempDir('age');
  [age, keygen] = await Promise.all([binary('age'), binary('age-keygen')]);
});

const path = (name: string) => join(dir, name);
async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const piece of source) chunks.push(piece);
  return Buffer.concat(chunks);
}

describe('age and age-keygen', () => {
  it.each(sizes)('open what was sealed here, %i bytes, at once and as a stream', async size => {
    const { identity, recipient } = await generateIdentity();
    const plain = randomBytes(size);
    await writeNewKeyFile(path(`id-${size}`), `${identity}\n`, 'private');
    for (const [name, sealed] of [
      ['whole', await seal([recipient], plain)],
      ['stream', await collect(sealStream([recipient], once(plain)))],
    ] as const) {
      await writeFile(path(`${name}-${size}.age`), sealed);
      await run(age, ['-d', '-i', path(`id-${size}`), '-o', path(`${name}-${size}`), path(`${name}-${size}.age`)]);
      expect(plain.equals(await readFile(path(`${name}-${size}`)))).toBe(true);
    }
  });

  it.each(sizes)('seal what is opened here, %i bytes, at once and as a stream', async size => {
    const { identity, recipient } = await generateIdentity();
    const plain = randomBytes(size);
    await writeFile(path(`plain-${size}`), plain);
    await run(age, ['-r', recipient, '-o', path(`theirs-${size}.age`), path(`plain-${size}`)]);
    const sealed = await readFile(path(`theirs-${size}.age`));
    expect(plain.equals(await open([identity], sealed))).toBe(true);
    expect(plain.equals(await collect(openStream([identity], once(sealed))))).toBe(true);
  });

  it('make key files that are read here', async () => {
    await run(keygen, ['-o', path('keygen')]);
    const { stdout } = await run(keygen, ['-y', path('keygen')]);
    await writeFile(path('keygen.pub'), `# operator\n${stdout}`);
    const { value, warnings } = await readIdentityFile(path('keygen'));
    expect(warnings).toEqual([]);
    expect(await readRecipientFile(path('keygen.pub'))).toEqual([stdout.trim()]);
    expect(await recipientOf(value[0]!)).toBe(stdout.trim());
    expect(Buffer.from(await open(value, await seal([stdout.trim()], Buffer.from('x')))).toString()).toBe('x');
  });

  it('make post-quantum keys that are used here', async () => {
    await run(keygen, ['-pq', '-o', path('pq')]);
    const { value } = await readIdentityFile(path('pq'));
    const recipient = await recipientOf(value[0]!);
    expect(recipient).toMatch(/^age1pq1/);
    await writeFile(path('pq.age'), await seal([recipient], Buffer.from('content')));
    expect((await run(age, ['-d', '-i', path('pq'), path('pq.age')])).stdout).toBe('content');
  });

  it('read the recipient of a key made here', async () => {
    const { identity, recipient } = await generateIdentity();
    await writeNewKeyFile(path('ours'), `${identity}\n`, 'private');
    expect((await run(keygen, ['-y', path('ours')])).stdout.trim()).toBe(recipient);
  });
});

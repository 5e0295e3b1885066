import { execFile } from 'node:child_process';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { extract, type Header } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { endOfTar, tarEntry } from './tar.ts';

const run = promisify(execFile);

function archive(files: readonly { path: string; content: Uint8Array }[]): Buffer {
  const blocks = files.map(({ path, content }) => {
    const entry = tarEntry(path, content);
    const block = Buffer.alloc(entry.bytes, 0xff);
    entry.put(block, 0);
    return block;
  });
  return Buffer.concat([...blocks, endOfTar]);
}

async function readBack(tar: Buffer): Promise<{ path: string; content: string; header: Header }[]> {
  const found = [];
  for await (const entry of Readable.from([tar], { objectMode: false }).pipe(extract())) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    found.push({ path: entry.header.name, content: Buffer.concat(chunks).toString(), header: entry.header });
  }
  return found;
}

async function gnuTar(tar: Buffer, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const running = run('tar', args, { env: { LC_ALL: 'C.UTF-8', PATH: process.env.PATH ?? '' } });
  running.child.stdin?.end(tar);
  return running;
}

const odd = [
  'a',
  'core/v1/configmaps/agents/settings.json',
  `core/v1/configmaps/${'n'.repeat(63)}/${'x'.repeat(253)}.json`,
  `${'d'.repeat(155)}/${'f'.repeat(100)}`,
  `${'d'.repeat(156)}/${'f'.repeat(99)}`,
  `${'d/'.repeat(60)}f`,
  'f'.repeat(100),
  'f'.repeat(101),
  'rbac.authorization.k8s.io/v1/clusterroles/_cluster/system:controller:x.json',
  'ä/日本語/🦊.json',
  `${'ä'.repeat(200)}.json`,
];

describe('an archive', () => {
  it.each(odd)('brings %s back by tar-stream and by GNU tar', async path => {
    const tar = archive([{ path, content: Buffer.from('content') }]);
    expect((await readBack(tar)).map(file => file.path)).toEqual([path]);
    expect(await gnuTar(tar, '-tf', '-')).toEqual({ stdout: `${path}\n`, stderr: '' });
    expect(await gnuTar(tar, '-xOf', '-')).toEqual({ stdout: 'content', stderr: '' });
  });

  it('holds any paths and contents in their order', async () => {
    const segment = fc.oneof(fc.stringMatching(/^[a-z0-9:. -]{1,120}$/), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 90 }));
    const path = fc
      .array(
        segment.map(text => text.replace(/[/\0\n\\]/g, '_')),
        { minLength: 1, maxLength: 5 },
      )
      .map(segments => segments.join('/'))
      .filter(text => text.isWellFormed());
    const file = fc.record({ path, content: fc.uint8Array({ maxLength: 2000 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(file, { maxLength: 6 }), async files => {
        const found = await readBack(archive(files));
        expect(found.map(({ path, content }) => [path, content])).toEqual(
          files.map(({ path, content }) => [path, Buffer.from(content).toString()]),
        );
      }),
      { numRuns: 100 },
    );
  });

  it('tells nothing but paths and contents: owner, mode and time are always the same', async () => {
    const [file] = await readBack(archive([{ path: 'a', content: Buffer.from('x') }]));
    expect(file!.header).toMatchObject({ mode: 0o600, uid: 0, gid: 0, uname: '', gname: '', mtime: new Date('2000-01-01T00:00:00Z') });
  });
});

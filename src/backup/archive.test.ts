import { expect, it } from 'vitest';
import { everything } from '../domain/selection.ts';
import { openArchive } from './archive.ts';

const kind = (resource: string) => ({
  ...{ group: '', version: 'v1', resource, kind: resource, namespaced: true, verbs: ['list', 'create'], subresources: [] },
});
const mebibyte = 2 ** 20;

/** Objects of a MiB each, as one batch. */
function batch(names: readonly string[]) {
  const filler = 'x'.repeat(mebibyte);
  const texts = names.map(name => Buffer.from(JSON.stringify({ metadata: { name, namespace: 'n', uid: name }, data: { filler } })));
  let end = 0;
  return { ends: texts.map(text => (end += text.length)), buffer: new Uint8Array(Buffer.concat(texts)) };
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

it('ends on a store that takes nothing for a while, with several files of each sort ready', async () => {
  const open = Promise.withResolvers<void>();
  const asked: string[] = [];
  const packed = { objects: 0, wake: () => {} };
  const archive = openArchive(
    {
      ...{ kinds: [kind('configmaps'), kind('secrets')], selection: everything },
      ...{ recipients: [], sealIndex: false, digestKey: new Uint8Array(32) },
    },
    {
      store: async name => {
        asked.push(name);
        await open.promise;
      },
      onPacked: objects => {
        packed.objects = objects;
        packed.wake();
      },
    },
  );
  try {
    // Three shards of resources and one of secrets, of which two may be on their way: one of each has to wait.
    for (const name of names('map', 52)) await archive.add(0, 1, 'list', batch([name]));
    for (const name of names('secret', 18)) await archive.add(1, 1, 'list', batch([name]));
    for (let i = 0; i < 40; i++) await archive.add(0, 1, 'list', { buffer: new Uint8Array(0), ends: [] });
    await new Promise<void>(resolve => {
      packed.wake = () => packed.objects === 70 && resolve();
      packed.wake();
    });
    expect(asked).toHaveLength(2);
    open.resolve();
    const { shards, tallies } = await archive.finish();
    expect(tallies.map(({ count }) => count)).toEqual([52, 18]);
    expect(shards.filter(shard => shard.class === 'resources').length).toBeGreaterThan(3);
    expect(shards.filter(shard => shard.class === 'secrets')).toHaveLength(2);
    expect(asked.slice().sort()).toEqual([...shards.map(({ name }) => name), ...asked.filter(name => name.startsWith('index'))].sort());
  } finally {
    await archive.close();
  }
});

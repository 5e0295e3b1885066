import { expect, it } from 'vitest';
import type { OpenedSet } from '../app.ts';
import type { VolumeFile } from '../domain/volume-file.ts';
import type { Connection } from './remote-connection.ts';
import { remoteVolumes } from './remote-volumes.ts';

it('the files of a volume are asked for page by page, until a service has no more', async () => {
  const files = Array.from({ length: 25 }, (_, i) => ({ path: `/file-${i}` }) as VolumeFile);
  const asked: number[] = [];
  const client = {
    volumes: {
      files: async ({ body }: { body: { from: number } }) => {
        asked.push(body.from);
        return { items: files.slice(body.from, body.from + 10), truncated: body.from + 10 < files.length };
      },
    },
  };
  const there = { client } as unknown as Connection;
  const commands = remoteVolumes(there, { runtime: {} as never, withIdentity: async () => ({}), idOf: () => 's1' });
  const claim = { namespace: 'agents', claim: 'workspace' };
  const all = commands.files({} as OpenedSet, claim, { path: '/', recursive: true }, new AbortController().signal);
  expect(await Array.fromAsync(all)).toEqual(files);
  expect(asked).toEqual([0, 10, 20]);
});

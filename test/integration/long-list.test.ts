import { randomBytes } from 'node:crypto';
import pLimit from 'p-limit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi, ListOptions } from '../../src/cluster/cluster-api.ts';
import { apiRequest } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { backUp, connect, type OpenLocation, openTestRepository, readJson } from '../helpers/journey.ts';
import { configmaps } from '../helpers/kinds.ts';

const objects = 1500;

describe('a server that cuts long answers', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;

  beforeAll(async () => {
    cluster = await startCluster({ name: 'long-list', unsafeNoFsync: true, apiServerArgs: ['--request-timeout=5s'] });
    api = await connect(cluster);
    location = await openTestRepository();
    const data = { noise: randomBytes(15_000).toString('base64') };
    await pLimit(20).map(Array.from({ length: objects }).keys(), i =>
      api.create(
        configmaps,
        'default',
        JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `long-${String(i).padStart(4, '0')}` }, data }),
      ),
    );
  });
  afterAll(async () => {
    await api?.close();
    await location?.remove();
    await cluster?.destroy();
  });

  /** Until the server has given up all that is under way. One request for a revision that will never come takes three seconds. */
  async function timeIsUp(): Promise<void> {
    const never = '/api/v1/configmaps?limit=1&resourceVersion=9000000000000000000&resourceVersionMatch=NotOlderThan';
    for (let waited = 0; waited < 2; waited++) expect((await apiRequest(cluster, never, { timeoutMs: 120_000 })).status).toBe(504);
  }

  it('is read in pages by a backup that was held up during the one long answer', async () => {
    const asked: ListOptions[] = [];
    const slow: ClusterApi = {
      ...api,
      list: async (kind, sink, options = {}) => {
        if (kind.resource !== 'configmaps' || options.limit !== undefined) return api.list(kind, sink, options);
        asked.push(options);
        // Held up once, for longer than the server waits: what it has not sent by then is more than any socket buffers.
        let first = options.whole === true;
        const held = async (batch: Parameters<typeof sink>[0]) => {
          if (first) await timeIsUp();
          first = false;
          await sink(batch);
        };
        return api.list(kind, held, options);
      },
    };
    const outcome = await backUp(location, slow);
    expect(outcome).toMatchObject({ phase: 'Completed' });
    if (outcome.phase === 'Failed') return;
    expect(asked.map(options => options.whole === true)).toEqual([true, false]);
    expect(outcome.manifest.kinds.find(kind => kind.resource === 'configmaps')?.attempt).toBe(2);
    const read = await readJson(location, outcome.manifest.id, entry => entry.name.startsWith('long-'));
    expect(read.size).toBe(objects);
  });
});

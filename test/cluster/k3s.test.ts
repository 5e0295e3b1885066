import { access } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiJson, apiRequest, type KubeObject } from './api-request.ts';
import type { TestCluster } from './cluster.ts';
import { containersAvailable } from './containers.ts';
import { startK3sCluster } from './k3s-cluster.ts';
import { buildK3sStandIn } from './k3s-stand-in.ts';
import { findProgram, searchPath } from './system-programs.ts';

const engine = await containersAvailable();
const missing = engine
  ? ['/bin/busybox', 'openssl'].filter(name => findProgram(name, `/:${searchPath()}`) === undefined)
  : ['a Docker engine that answers'];
const why = missing.length === 0 ? '' : ` (skipped: not on this machine: ${missing.join(', ')})`;

/** The real image comes from a registry; what stands in for it is built here. */
describe.skipIf(missing.length > 0)(`a cluster in a container${why}`, () => {
  let standIn: Awaited<ReturnType<typeof buildK3sStandIn>>;
  let cluster: TestCluster | undefined;
  beforeAll(async () => {
    standIn = await buildK3sStandIn();
  }, 600_000);
  afterAll(async () => {
    await cluster?.destroy();
    await standIn?.remove();
  });

  it('is used like any other, keeps its data and its address while its API server is away, and is gone at its end', async () => {
    const told: string[] = [];
    cluster = await startK3sCluster({ name: 'contained', onProgress: line => told.push(line) }, standIn.image);
    expect(cluster, told.join('\n')).toMatchObject({ kind: 'k3s', name: 'contained' });
    const path = '/api/v1/namespaces/default/configmaps';
    await apiJson<KubeObject>(cluster!, path, { method: 'POST', body: { metadata: { name: 'kept' }, data: { text: 'x' } } });

    await cluster!.stopApiServer();
    await expect(apiRequest(cluster!, '/readyz', { timeoutMs: 5_000 })).rejects.toThrow();
    await cluster!.startApiServer();
    await cluster!.startApiServer();
    expect((await apiJson<{ data: object }>(cluster!, `${path}/kept`)).data).toEqual({ text: 'x' });

    await cluster!.stop();
    await cluster!.destroy();
    await expect(access(cluster!.dir)).rejects.toThrow();
    await expect(apiRequest(cluster!, '/readyz', { timeoutMs: 5_000 })).rejects.toThrow();
    cluster = undefined;
  });

  it('is none where its image is not there, or where it cannot give what is asked for', async () => {
    expect(await startK3sCluster({}, 'localhost/holdfast-there-is-no-such-image:1')).toBeUndefined();
    expect(await startK3sCluster({ controllers: false }, standIn.image)).toBeUndefined();
    expect(await startK3sCluster({ node: true }, standIn.image)).toBeUndefined();
  });
});

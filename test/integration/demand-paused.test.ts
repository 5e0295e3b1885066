import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { type MishapProxy, startMishapProxy } from '../contract/object-store-proxy.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type Served, startServe } from '../helpers/serve-process.ts';

interface Operation {
  readonly id: string;
  readonly phase: string;
  readonly summary?: { readonly set?: string };
}

/** A location in a bucket, and two services on it with a Lease of their own: `paused` leads, and reaches the location by the proxy. */
interface Pair extends AsyncDisposable {
  readonly proxy: MishapProxy;
  readonly paused: Served;
  readonly other: Served;
  /** By what lies in the location, without a service. */
  sets(): Promise<string[]>;
}

/** SIGSTOP with a write on its way, past the fence, for longer than the lease; then the write arrives, and SIGCONT. Side by side: they wait a lot. */
describe.concurrent('a leader that is paused in the commit of a backup on demand', () => {
  let dir: string;
  let cluster: TestCluster;
  let minio: S3Server;

  beforeAll(async () => {
    dir = await tempDir('demand');
    cluster = await startCluster({ name: 'demand', controllers: false, unsafeNoFsync: true });
    minio = await startMinio();
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
  });
  afterAll(async () => {
    await minio?.stop();
    await cluster?.destroy();
  });

  async function startPair(name: string): Promise<Pair> {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    await Promise.all([minio.createBucket(name), apiJson(cluster, '/api/v1/namespaces', { method: 'POST', body: namespace })]);
    const keys = { AWS_ACCESS_KEY_ID: minio.accessKey, AWS_SECRET_ACCESS_KEY: minio.secretKey, AWS_REGION: 'us-east-1' };
    const env: NodeJS.ProcessEnv = { ...keys, POD_NAMESPACE: name };
    const at = (endpoint: string) => `s3://${name}/platform?endpoint=${encodeURIComponent(endpoint)}&pathStyle=true&region=us-east-1`;
    const direct = ['--location', at(minio.endpoint), '--keys-dir', join(dir, 'keys')];
    ok(await holdfast(['init', ...direct], { env }));
    const proxy = await startMishapProxy(minio.endpoint);
    const running: Served[] = [];
    const end = async () => {
      proxy.onRequest(() => undefined);
      for (const served of running) {
        served.signal('SIGCONT');
        served.signal('SIGKILL');
        await served.exited;
      }
      await proxy.close();
    };
    const serve = async (who: string, endpoint: string): Promise<Served> => {
      const options = { dir, name: `${who}-${name}`, kubeconfig: cluster.kubeconfig, location: at(endpoint), keysDir: join(dir, 'keys') };
      const served = await startServe({ ...options, env, more: 'policies: {}\n' });
      running.push(served);
      return served;
    };
    try {
      const paused = await serve('paused', proxy.endpoint);
      await paused.said('leading', 60_000);
      const other = await serve('other', minio.endpoint);
      const sets = async () => {
        const { stdout } = ok(await holdfast(['backup', 'get', '-o', 'name', ...direct], { env }));
        return stdout.split('\n').filter(line => line !== '');
      };
      return { proxy, paused, other, sets, [Symbol.asyncDispose]: end };
    } catch (thrown) {
      await end();
      throw thrown;
    }
  }

  /** The operation as the next leader has it, when the paused one has gone on and given up. */
  async function pausedAt({ proxy, paused, other }: Pair, isIt: (message: IncomingMessage) => boolean) {
    const [arrived, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    proxy.onRequest(message => {
      if (!isIt(message)) return undefined;
      arrived.resolve();
      return { kind: 'hold', until: goesOn.promise };
    });
    const response = await paused.send('POST', 'backups', { tier: 'asked', selection: { includeNamespaces: ['default'] } });
    expect(response.status, await response.clone().text()).toBe(202);
    const { id } = (await response.json()) as Operation;
    await arrived.promise;
    paused.signal('SIGSTOP');
    await other.said('leading', 60_000);
    const ended = await waitFor(
      'the next leader has said what became of it',
      async () => {
        const operation = await other.get<Operation>(`operations/${id}`);
        return ['Pending', 'Running'].includes(operation.phase) ? undefined : operation;
      },
      { timeoutMs: 90_000 },
    );
    goesOn.resolve();
    paused.signal('SIGCONT');
    await paused.said('not leading any more', 60_000);
    expect(await other.get<Operation>(`operations/${id}`)).toEqual(ended);
    return ended;
  }

  it('has made no set when its operation was Interrupted, whatever of it still arrives', async () => {
    await using pair = await startPair('commit');
    const ended = await pausedAt(pair, ({ method, url = '' }) => method === 'PUT' && url.includes('/commit.json'));
    expect(ended.phase).toBe('Interrupted');
    expect(await pair.sets()).toEqual([]);
  });

  it('has made its one set, Completed, when all but the manifest had arrived', async () => {
    await using pair = await startPair('manifest');
    const ended = await pausedAt(pair, ({ method, url = '' }) => method === 'PUT' && url.includes('/manifest.json'));
    expect(ended).toMatchObject({ phase: 'Completed', summary: { set: expect.stringMatching(/-asked-/) } });
    expect(await pair.sets()).toEqual([ended.summary!.set]);
  });
});

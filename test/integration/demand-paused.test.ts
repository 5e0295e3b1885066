import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { type MishapProxy, startMishapProxy } from '../contract/object-store-proxy.ts';
import { holdfast } from '../helpers/command.ts';
import { type Served, startServe } from '../helpers/serve-process.ts';

interface Operation {
  readonly id: string;
  readonly phase: string;
  readonly summary?: { readonly set?: string };
}

/** SIGSTOP with a write on its way, past the fence, for longer than the lease; then the write arrives, and SIGCONT. */
describe('a leader that is paused in the commit of a backup on demand', () => {
  let dir: string;
  let cluster: TestCluster;
  let minio: S3Server;
  let proxy: MishapProxy;
  let bucket = 0;
  let paused: Served;
  let other: Served;

  beforeAll(async () => {
    dir = await tempDir('demand');
    cluster = await startCluster({ name: 'demand', controllers: false, unsafeNoFsync: true });
    minio = await startMinio();
    proxy = await startMishapProxy(minio.endpoint);
    expect((await holdfast(['keys', 'generate', '--out', join(dir, 'keys')])).exit).toBe(0);
  });
  afterAll(async () => {
    await proxy?.close();
    await minio?.stop();
    await cluster?.destroy();
  });
  beforeEach(async () => {
    const name = `demand-${++bucket}`;
    await minio.createBucket(name);
    const env = { AWS_ACCESS_KEY_ID: minio.accessKey, AWS_SECRET_ACCESS_KEY: minio.secretKey, AWS_REGION: 'us-east-1' };
    const at = (endpoint: string) => `s3://${name}/platform?endpoint=${encodeURIComponent(endpoint)}&pathStyle=true&region=us-east-1`;
    const init = await holdfast(['init', '--location', at(minio.endpoint), '--keys-dir', join(dir, 'keys')], { env });
    expect(init.exit, init.stderr).toBe(0);
    const serve = (who: string, endpoint: string) =>
      startServe({
        ...{ dir, name: `${who}-${bucket}`, kubeconfig: cluster.kubeconfig, location: at(endpoint), keysDir: join(dir, 'keys'), env },
        more: 'policies: {}\n',
      });
    paused = await serve('paused', proxy.endpoint);
    await paused.said('leading', 60_000);
    other = await serve('other', minio.endpoint);
  });
  afterEach(async () => {
    proxy.onRequest(() => undefined);
    for (const served of [paused, other]) {
      served?.signal('SIGCONT');
      served?.signal('SIGKILL');
      await served?.exited;
    }
  });

  /** The operation as the next leader has it, when the paused one has gone on and given up. */
  async function pausedAt(isIt: (message: IncomingMessage) => boolean) {
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
    const ended = await pausedAt(({ method, url = '' }) => method === 'PUT' && url.includes('/commit.json'));
    expect(ended.phase).toBe('Interrupted');
    expect(await sets()).toEqual([]);
  });

  it('has made its one set, Completed, when all but the manifest had arrived', async () => {
    const ended = await pausedAt(({ method, url = '' }) => method === 'PUT' && url.includes('/manifest.json'));
    expect(ended).toMatchObject({ phase: 'Completed', summary: { set: expect.stringMatching(/-asked-/) } });
    expect(await sets()).toEqual([ended.summary!.set]);
  });

  /** By what lies in the location, without a service. */
  async function sets(): Promise<string[]> {
    const env = { AWS_ACCESS_KEY_ID: minio.accessKey, AWS_SECRET_ACCESS_KEY: minio.secretKey, AWS_REGION: 'us-east-1' };
    const location = `s3://demand-${bucket}/platform?endpoint=${encodeURIComponent(minio.endpoint)}&pathStyle=true&region=us-east-1`;
    const listed = await holdfast(['backup', 'get', '-o', 'name', '--location', location, '--keys-dir', join(dir, 'keys')], { env });
    expect(listed.exit, listed.stderr).toBe(0);
    return listed.stdout.split('\n').filter(line => line !== '');
  }
});

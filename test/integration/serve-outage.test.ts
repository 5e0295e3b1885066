import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { type HttpReceiver, startHttpReceiver } from '../helpers/http-receiver.ts';
import { halfADayAway } from '../helpers/schedules.ts';
import { type Served, startServe } from '../helpers/serve-process.ts';
import { metrics, untilMetric } from '../helpers/service-work.ts';

interface Operation {
  readonly phase: string;
  readonly parameters: { readonly fires?: readonly { readonly tier: string; readonly at: string }[] };
}

const outageMs = 120_000;
const patience = { timeoutMs: 240_000, intervalMs: 200 };
/** Both services wait for minutes, and do nothing meanwhile. */
const testMs = 900_000;

/** A full minute, as schedules have it, that is one and a quarter to two and a quarter away. */
const comesDue = () => new Date(Math.ceil((Date.now() + 75_000) / 60_000) * 60_000);

/** One that is not the tests’ own cannot be stopped. */
describe
  .skipIf(process.env['HOLDFAST_TEST_KUBECONFIG'] !== undefined)
  .concurrent('an outage of two minutes in which a backup comes due', () => {
    let dir: string;
    let clusters: TestCluster[] = [];
    let minio: S3Server;
    let hook: HttpReceiver;
    const services: Served[] = [];
    const env = (): NodeJS.ProcessEnv => ({ AWS_ACCESS_KEY_ID: minio.accessKey, AWS_SECRET_ACCESS_KEY: minio.secretKey });
    const keysDir = () => join(dir, 'keys');

    beforeAll(async () => {
      dir = await tempDir('outage');
      const start = (name: string) => startCluster({ name, controllers: false, unsafeNoFsync: true });
      clusters = await Promise.all(['outage-api', 'outage-store'].map(start));
      [minio, hook] = await Promise.all([startMinio(), startHttpReceiver()]);
      ok(await holdfast(['keys', 'generate', '--out', keysDir()]));
    });
    afterAll(async () => {
      for (const service of services) service.signal('SIGKILL');
      await Promise.all(services.map(({ exited }) => exited));
      await minio?.stop();
      await hook?.close();
      await Promise.all(clusters.map(cluster => cluster.destroy()));
    });

    /** A service that leads, and has its first set. */
    const serve = async (name: string, cluster: TestCluster, location: string) => {
      ok(await holdfast(['init', '--location', location, '--keys-dir', keysDir()], { env: env() }));
      const first = halfADayAway();
      const service = await startServe({
        ...{ dir, name, location, kubeconfig: cluster.kubeconfig, keysDir: keysDir(), env: env() },
        more: `policies: {nightly: {objectives: {rpo: 26h}, tiers: {daily: {schedule: "${first}", keep: 3d}}}}
notifications:
  webhooks: [{url: "http://${hook.host}/told/${name}"}]
  deadMansSwitch: {url: "http://${hook.host}/well/${name}", every: 1s}
`,
      });
      services.push(service);
      const operations = async () => (await service.get<{ items: Operation[] }>('operations?kind=backup')).items;
      const completed = async () => (await operations()).filter(({ phase }) => phase === 'Completed').length;
      const told = () => hook.calls.filter(({ path }) => path === `/told/${name}`).map(({ body }) => JSON.parse(body) as { event: string });
      const timesWell = () => hook.calls.filter(({ path }) => path === `/well/${name}`).length;
      await service.said('leading', 120_000);
      await waitFor('a first set is there', async () => (await completed()) === 1, patience);
      await waitFor('all is well', async () => timesWell() > 0, patience);
      return {
        ...{ service, operations, told },
        /** From now on its backup comes due at that time. */
        schedule: async (at: Date): Promise<void> => {
          const text = await readFile(service.configFile, 'utf8');
          await writeFile(service.configFile, text.replace(`"${first}"`, `"${at.getUTCMinutes()} ${at.getUTCHours()} * * *"`));
          service.signal('SIGHUP');
          await service.said('a setting was changed', 60_000);
        },
        /** Until it has lasted two minutes, and the backup has come due in it. */
        outlast: async (since: number, at: Date): Promise<void> => {
          expect(since, 'the outage began when the backup had come due: this machine is too slow').toBeLessThan(at.getTime());
          const end = Math.max(since + outageMs, at.getTime() + 5_000);
          const before = timesWell();
          await waitFor('the outage has lasted', async () => Date.now() >= end, { ...patience, intervalMs: 500 });
          // One may have been on its way.
          expect(timesWell(), 'the dead man’s switch is silent').toBeLessThanOrEqual(before + 1);
          const running = await metrics(service, 'holdfast_operations_running');
          expect([running.length > 0, running.filter(count => count > 0)]).toEqual([true, []]);
        },
        /** The run of that time is done, and done once, whatever comes after. */
        caughtUp: async (at: Date): Promise<void> => {
          const silent = timesWell();
          await waitFor('what came due is done', async () => (await completed()) === 2, patience);
          await waitFor('it is ready', async () => (await fetch(`${service.url}/readyz`)).status === 200, patience);
          await waitFor('all is well again', async () => timesWell() > silent, patience);
          await untilMetric(service, 'holdfast_leader', value => value === 1);
          const all = await operations();
          const due = { policy: 'nightly', tier: 'daily', at: at.toISOString() };
          expect(all.filter(({ parameters }) => parameters.fires?.some(fire => fire.at === due.at))).toMatchObject([
            { phase: 'Completed', parameters: { fires: [due] } },
          ]);
          expect(all.map(({ phase }) => phase)).toEqual(['Completed', 'Completed']);
          service.signal('SIGTERM');
          expect(await service.exited).toBe(0);
          const listed = ok(
            await holdfast(['backup', 'get', '--location', location, '--keys-dir', keysDir(), '-o', 'json'], { env: env() }),
          );
          expect(JSON.parse(listed.stdout)).toMatchObject({ backups: [{ phase: 'Completed' }, { phase: 'Completed' }] });
          ok(await holdfast(['ledger', 'verify', '--location', location, '--keys-dir', keysDir()], { env: env() }));
        },
        count: (message: string) => service.log().split(JSON.stringify(message)).length - 1,
      };
    };

    it(
      'of the API server: the lead comes back, and the backup is made up for once',
      async () => {
        const [cluster] = clusters as [TestCluster];
        const { service, schedule, outlast, caughtUp, told, count } = await serve('api', cluster, join(dir, 'repository'));
        const at = comesDue();
        await schedule(at);
        await cluster.stopApiServer();
        const since = Date.now();
        await untilMetric(service, 'holdfast_leader', value => value === 0);
        await untilMetric(service, 'holdfast_cluster_reachable', value => value === 0);
        await outlast(since, at);
        expect(await metrics(service, 'holdfast_store_reachable')).toEqual([1]);
        expect(count('the API server does not answer')).toBe(1);
        const terms = count('leading');
        await cluster.startApiServer();
        await waitFor('it leads again', async () => count('leading') > terms, patience);
        const lease = '/apis/coordination.k8s.io/v1/namespaces/default/leases/holdfast';
        const { spec } = await apiJson<{ spec: { holderIdentity: string } }>(cluster, lease);
        expect(spec.holderIdentity).toContain('api');
        await caughtUp(at);
        expect([count('the API server answers again'), count('leading')]).toEqual([1, terms + 1]);
        // Nobody could lead, and who does not lead does not speak.
        expect(told()).toEqual([]);
      },
      testMs,
    );

    it(
      'of the store: people are told once, the lead stays, and the backup is made up for once',
      async () => {
        const [, cluster] = clusters as [TestCluster, TestCluster];
        await minio.createBucket('outage');
        const endpoint = encodeURIComponent(minio.endpoint);
        const location = `s3://outage/platform?endpoint=${endpoint}&pathStyle=true&region=us-east-1`;
        const { service, schedule, outlast, caughtUp, told, count } = await serve('store', cluster, location);
        const at = comesDue();
        await schedule(at);
        await minio.goAway();
        const since = Date.now();
        await untilMetric(service, 'holdfast_store_reachable', value => value === 0);
        await outlast(since, at);
        await waitFor('people are told', async () => told().length > 0, patience);
        expect(told()).toMatchObject([{ event: 'store.unreachable', state: 'began', why: expect.stringContaining('ECONNREFUSED') }]);
        expect(await metrics(service, 'holdfast_leader')).toEqual([1]);
        expect((await fetch(`${service.url}/readyz`)).status).toBe(503);
        // It asks less and less often.
        expect(count('the scheduler has trouble, and goes on')).toBeLessThan(20);
        await minio.comeBack();
        await waitFor('the location is read', async () => (await metrics(service, 'holdfast_store_reachable '))[0] === 1, patience);
        await caughtUp(at);
        // That it is over is told when it has been for five minutes.
        expect([told().length, count('leading')]).toEqual([1, 1]);
      },
      testMs,
    );
  });

import { execFile } from 'node:child_process';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { at, stringAt } from '../../src/domain/json.ts';
import { quantityBytes } from '../../src/domain/quantity.ts';
import type { VolumeRecord } from '../../src/domain/volume.ts';
import type { UpkeepOutcome } from '../../src/domain/volume-upkeep.ts';
import { temporaryName } from '../../src/restore/volumes/temporary-claim.ts';
import { claims, namespaces, secrets, volumeSnapshots, volumes } from '../../src/volumes/kinds.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import { dueCheck } from '../../src/volumes/upkeep-rules.ts';
import { binary } from '../cluster/binaries.ts';
import { lateStorageClass, storageClass } from '../cluster/csi.ts';
import { holdfastReference } from '../cluster/holdfast-image.ts';
import { createClaim, exec, runningPod, runPod, startDeployment } from '../cluster/pods.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { describeOnNodeWithImage } from '../cluster/with-node.ts';
import { bytesBelow } from '../helpers/bucket.ts';
import { holdfast, type Ran } from '../helpers/command.ts';
import { connect } from '../helpers/journey.ts';
import { kindOf } from '../helpers/restore.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { type Served, type ServeOptions, startServe, tokens } from '../helpers/serve-process.ts';
import { metrics, untilMetric as untilMetricOf, work } from '../helpers/service-work.ts';
import { makeNamespace } from '../helpers/volumes.ts';

/** What the service says of a set. */
interface SetView {
  readonly id: string;
  readonly phase: string;
  readonly tier: string;
  readonly fires: readonly { readonly tier: string; readonly at: string }[];
  readonly parts: readonly { readonly part: string; readonly state: string }[];
  readonly volumes: readonly VolumeRecord[];
}

const deployments = kindOf('deployments.apps/v1 Deployment');
const hashAll = 'cd /data && find . -type f | sort | xargs sha256sum';
const write = 'cd /data && mkdir -p src && head -c 8000000 /dev/urandom > blob && echo hello > src/greeting && sync';
const key = 'volumes/agents/one/';
/** The temporary claim of a restore that was never finished. */
const left = temporaryName('20261123T020000Z-nightly-k3f9', { namespace: 'agents', claim: 'three' });
const dayMs = 86_400_000;
const bothParts = ['resources', 'volumeSnapshots', 'volumeData'].map(part => ({ part, state: 'protected', reason: '' }));
const signal = () => AbortSignal.timeout(120_000);

/** A running service does all that there is to do about volumes, first today, and then with a clock of more than a week later. */
describeOnNodeWithImage('volumes through the service', cluster => {
  let server: S3Server;
  let api: ClusterApi;
  let objects: Objects;
  let dir: string;
  let options: ServeOptions;
  let service: Served;
  let before: readonly string[];
  let first: string;
  let second: string;
  let later: number;
  const running: Served[] = [];

  beforeAll(async () => {
    const restic = await binary('restic');
    server = await startMinio({ address: cluster().node.hostAddress });
    await server.createBucket('backups');
    api = await connect(cluster());
    objects = createObjects(api, testRuntime);
    dir = await tempDir('service-volumes');
    await symlink(restic, join(dir, 'restic'));
    await writeFile(join(dir, 'alice'), tokens.alice);
    for (const name of ['holdfast', 'agents', 'elsewhere']) await makeNamespace(objects, name);
    const made = Promise.all(['one', 'two'].map(makeClaim));
    made.catch(() => {});
    const location = `s3://backups/service?endpoint=${server.endpoint}&pathStyle=true`;
    const env = { AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey, PATH: `${dir}:${process.env['PATH']}` };
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', '--location', location, '--keys-dir', join(dir, 'keys')], { env }));
    options = {
      dir,
      name: 'today',
      kubeconfig: cluster().kubeconfig,
      location,
      keysDir: join(dir, 'keys'),
      more: configured(false),
      env,
      patient: true,
    };
    service = await startServe(options);
    running.push(service);
    before = await made;
    await service.said('leading', 60_000);
  }, 400_000);
  afterAll(async () => {
    for (const served of running) served.signal('SIGKILL');
    await api?.close();
    await server?.stop();
  });

  /** What a command in a pod with that claim says. */
  async function inPod(claim: string, command: string, namespace = 'agents'): Promise<string> {
    const { log, exitCode } = await runPod(cluster(), { name: `look-${claim}`, namespace, command, claims: { '/data': claim } });
    expect(exitCode, log).toBe(0);
    return log;
  }

  /** A claim with files in it; their hashes. */
  async function makeClaim(name: string): Promise<string> {
    await createClaim(cluster(), { name, namespace: 'agents', size: '64Mi' });
    return inPod(name, `${write} && ${hashAll}`);
  }

  function ok(ran: Ran): Ran {
    expect(ran.exit, ran.stdout + ran.stderr).toBe(0);
    return ran;
  }

  /** The command line, by the service. */
  async function run(line: string): Promise<string> {
    const env = {
      HOLDFAST_SERVER_URL: service.url,
      HOLDFAST_SERVER_TOKEN_FILE: join(dir, 'alice'),
      HOLDFAST_IDENTITY: join(dir, 'keys', 'operator.identity'),
    };
    return ok(await holdfast(line.split(' '), { env })).stdout;
  }

  /** Its document, or the summary at its end. */
  async function ask(line: string): Promise<Record<string, unknown>> {
    const stdout = await run(`${line} -o json`);
    return JSON.parse(stdout.startsWith('{\n') ? stdout : (stdout.trim().split('\n').at(-1) ?? '')) as Record<string, unknown>;
  }

  const untilMetric = (name: string, is: (value: number) => boolean) => untilMetricOf(service, `holdfast_volume_${name}`, is);
  const post = (path: string, body: object) => work(service, path, body);

  /** The service anew, by a clock that shows this time. */
  async function startAt(name: string, time: number, more = options.more ?? ''): Promise<void> {
    service.signal('SIGTERM');
    expect(await service.exited, service.log()).toBe(0);
    service = await startServe({ ...options, more, name, aheadMs: time - Date.now() });
    running.push(service);
    await service.said('leading', 60_000);
  }

  test('a backup moves the data of volumes when the request says so, whatever its tier does', async () => {
    const done = await post('backups', { policy: 'agents', tier: 'nightly', volumes: 'data' });
    expect(done, JSON.stringify(done)).toMatchObject({ phase: 'Completed' });
    const counts = { claims: 2, snapshotted: 2, moved: 2, notProtected: 0, failed: 0, bytes: 16_000_012 };
    expect(done.summary).toMatchObject({ volumes: counts, notProtected: [] });
    first = String(done.summary['set']);
    const { entries } = (await ask('ledger get --action backup.completed')) as { entries: unknown[] };
    expect(entries).toMatchObject([{ subject: first, details: { volumes: counts } }]);
    await untilMetric('movers_total{action="backup",result="completed"}', value => value === 2);
    await untilMetric('movers_running{action="backup"}', value => value === 0);
    // Whoever may ask for a backup speaks for no tier.
    expect(await metrics(service, 'holdfast_volume_claims{policy="agents"')).toEqual([]);
    const listed = (await ask('volumes ls latest')) as { volumes: VolumeRecord[] };
    expect(listed.volumes).toMatchObject(['one', 'two'].map(claim => ({ claim, state: 'captured', data: { files: 2 } })));
    const files = await run('volumes files latest agents/one / -r -o name');
    expect(files.trim().split('\n').sort()).toEqual(['/blob', '/src', '/src/greeting']);
  });

  test('a namespace that was destroyed with its volumes comes back full, from a snapshot and from the repository', async () => {
    await objects.remove(namespaces, '', 'agents', signal());
    const kept = await objects.list(volumeSnapshots, { namespace: 'holdfast' }, signal());
    const ofTwo = kept.find(one => stringAt(one, 'metadata', 'annotations', 'holdfast.dev/claim') === 'agents/two');
    await objects.remove(volumeSnapshots, 'holdfast', stringAt(ofTwo, 'metadata', 'name') ?? '', signal());
    const gone = async () => {
      const all = await objects.list(volumes, {}, signal());
      return all.length === 0 && (await objects.read(namespaces, '', 'agents', signal())) === undefined;
    };
    await waitFor('everything is gone', gone, { timeoutMs: 120_000, intervalMs: 200 });
    const restored = await ask(`restore create ${first} --yes`);
    expect(restored).toMatchObject({
      phase: 'Completed',
      volumes: [
        { claim: 'one', state: 'filled', source: 'snapshot' },
        { claim: 'two', state: 'filled', source: 'repository' },
      ],
    });
    expect(await Promise.all(['one', 'two'].map(name => inPod(name, hashAll)))).toEqual(before);
  });

  test('a claim is brought back into another namespace, beside the living one and of another storage class, once', async () => {
    const mapping = `--storage-class-mapping ${storageClass}=${lateStorageClass}`;
    const copied = await ask(`volumes restore ${first} agents/one --to elsewhere/copy ${mapping}`);
    expect(copied).toMatchObject({ namespace: 'elsewhere', claim: 'copy', state: 'filled' });
    expect(await inPod('copy', hashAll, 'elsewhere')).toBe(before[0]);
    const copy = await objects.read(claims, 'elsewhere', 'copy', signal());
    expect(stringAt(copy, 'spec', 'storageClassName')).toBe(lateStorageClass);
    const [from, to] = [
      { namespace: 'agents', claim: 'one' },
      { namespace: 'elsewhere', claim: 'copy' },
    ];
    const identity = { value: await readFile(join(dir, 'keys', 'operator.identity'), 'utf8') };
    const again = await post('restores/volumes', { set: first, from, to, identity });
    expect(again).toMatchObject({ phase: 'Failed', error: { code: 'CLUSTER_CONFLICT' } });
    await untilMetric('failures_total{doing="restore",code="CLUSTER_CONFLICT"}', value => value === 1);
    expect(await objects.list(claims, { namespace: 'holdfast' }, signal())).toEqual([]);
  });

  test('a namespace comes back beside the living one, with claims of another storage class and size', async () => {
    const mappings = `--map-namespace agents=bigger --storage-class-mapping ${storageClass}=${lateStorageClass} --volume-size-mapping agents/one=192Mi`;
    const restored = await ask(`restore create ${first} -n agents ${mappings} --yes`);
    expect(restored).toMatchObject({
      phase: 'Completed',
      volumes: [
        { namespace: 'bigger', claim: 'one', state: 'filled', source: 'snapshot' },
        { namespace: 'bigger', claim: 'two', state: 'filled', source: 'repository' },
      ],
    });
    const facts = async (name: string) => {
      const claim = await objects.read(claims, 'bigger', name, signal());
      const asked = stringAt(claim, 'spec', 'resources', 'requests', 'storage');
      return [stringAt(claim, 'spec', 'storageClassName'), asked, quantityBytes(stringAt(claim, 'status', 'capacity', 'storage') ?? '')];
    };
    expect(await facts('one')).toEqual([lateStorageClass, '192Mi', 192 * 2 ** 20]);
    expect(await facts('two')).toEqual([lateStorageClass, '64Mi', 64 * 2 ** 20]);
    expect(await Promise.all(['one', 'two'].map(name => inPod(name, hashAll, 'bigger')))).toEqual(before);
    await objects.remove(namespaces, '', 'bigger', signal());
    const gone = async () =>
      (await objects.list(volumes, {}, signal())).every(one => stringAt(one, 'spec', 'claimRef', 'namespace') !== 'bigger');
    await waitFor('its volumes are gone', gone, { timeoutMs: 120_000, intervalMs: 200 });
  });

  test('a claim is written in place by the service: one file of it, and all of it while its deployment is scaled down', async () => {
    await inPod('copy', 'cd /data && rm blob && echo bye > src/greeting && sync', 'elsewhere');
    const inPlace = `volumes restore ${first} agents/one --to elsewhere/copy --in-place --yes`;
    const filled = { namespace: 'elsewhere', claim: 'copy', state: 'filled', source: 'repository' };
    expect(await ask(`${inPlace} --include /src/greeting`)).toMatchObject(filled);
    expect(await inPod('copy', 'cd /data && find . -type f && cat src/greeting', 'elsewhere')).toBe('./src/greeting\nhello\n');
    const app = { name: 'app', namespace: 'elsewhere', command: 'sleep 10000', claims: { '/data': 'copy' } };
    const pod = await startDeployment(cluster(), app);
    expect(await ask(`${inPlace} --scale-down`)).toMatchObject(filled);
    const again = await runningPod(cluster(), app);
    expect(again).not.toBe(pod);
    expect((await exec(cluster(), { name: again, namespace: 'elsewhere' }, ['sh', '-c', hashAll])).stdout).toBe(before[0]);
  });

  test('killed while pods still end that a restore has scaled down, it is followed by one that scales their deployment up', async () => {
    const app = { namespace: 'elsewhere', name: 'app' };
    const replicas = async () => at(await objects.read(deployments, app.namespace, app.name, signal()), 'spec', 'replicas');
    // Nothing is scaled down for a claim that no pod uses, as after the test before; a mover of that test, which still has it, is waited for.
    await runningPod(cluster(), app);
    // An identity of which there is nothing left: nobody goes on with this restore.
    const identity = { value: await readFile(join(dir, 'keys', 'operator.identity'), 'utf8') };
    const place = { from: { namespace: 'agents', claim: 'one' }, to: { namespace: 'elsewhere', claim: 'copy' } };
    const asked = await service.send('POST', 'restores/volumes', { set: first, ...place, inPlace: true, scaleDown: true, identity });
    const text = await asked.text();
    expect(asked.status, text).toBe(202);
    const { id } = JSON.parse(text) as { id: string };
    const scaledDown = async () => {
      if ((await replicas()) === 0) return true;
      throw new Error(JSON.stringify(await service.get(`operations/${id}`)));
    };
    await waitFor('it is scaled down', scaledDown, { timeoutMs: 120_000, intervalMs: 50 });
    service.signal('SIGKILL');
    await service.exited;
    expect(await replicas()).toBe(0);
    service = await startServe({ ...options, name: 'after' });
    running.push(service);
    const told = await service.said('workloads that were left scaled down were scaled up', 150_000);
    expect(told).toMatchObject({ message: expect.stringContaining('deployments elsewhere/app: left scaled down by a restore') });
    expect(await replicas()).toBe(1);
    const again = await runningPod(cluster(), app);
    expect((await exec(cluster(), { name: again, namespace: app.namespace }, ['sh', '-c', hashAll])).stdout).toBe(before[0]);
  });

  test('another backup, asked for by the command line, adds what has changed, and has nothing of what a restore has left over', async () => {
    await inPod('one', 'head -c 8000000 /dev/urandom > /data/blob && sync');
    const labels = { 'holdfast.dev/work': first, 'holdfast.dev/role': 'restore' };
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } };
    await objects.create(claims, { metadata: { name: left, namespace: 'holdfast', labels }, spec }, signal());
    const bound = async () => stringAt(await objects.read(claims, 'holdfast', left, signal()), 'status', 'phase') === 'Bound';
    await waitFor('what is left over has a volume', bound, { timeoutMs: 60_000, intervalMs: 200 });
    const made = await ask('backup create --tier nightly --include-namespaces agents --cluster-scoped always --volumes data');
    expect(made).toMatchObject({ phase: 'Completed', tier: 'nightly' });
    second = String(made['id']);
    const all = await objects.list(volumes, {}, signal());
    const others = all.filter(volume => stringAt(volume, 'spec', 'claimRef', 'namespace') !== 'holdfast');
    const { items } = await service.get<{ items: { resource: string; name: string }[] }>(`backups/${second}/objects?limit=5000`);
    const inSet = items.filter(({ resource }) => resource === 'persistentvolumes').map(({ name }) => name);
    expect(inSet.sort()).toEqual(others.map(volume => stringAt(volume, 'metadata', 'name')).sort());
    expect(inSet).toHaveLength(3);
    const [one, two] = made['volumes'] as readonly VolumeRecord[];
    expect(one?.data?.addedBytes).toBeGreaterThan(8_000_000);
    expect(two?.data?.addedBytes).toBeLessThan(1_000_000);
  });

  test('a week later: what was left over is found, and removed when told to', async () => {
    expect(await ask('volumes orphans')).toMatchObject({ orphans: [] });
    // At noon of a day on which a part of the repository is due to be read.
    later = Math.ceil(Date.now() / dayMs) * dayMs + 8.5 * dayMs;
    while (dueCheck(key, new Date(later)) === undefined) later += dayMs;
    await startAt('later', later);
    expect(await ask('volumes orphans')).toMatchObject({ orphans: [{ namespace: 'holdfast', name: left }] });
    expect(await ask('volumes orphans --yes')).toMatchObject({ removed: [{ name: left, removed: true }] });
    expect(await objects.list(claims, { namespace: 'holdfast' }, signal())).toEqual([]);
    const { entries } = (await ask('ledger get --action volumes.orphans-removed')) as { entries: unknown[] };
    expect(entries).toMatchObject([
      { actor: { name: 'alice', via: 'api' }, details: { removed: [`persistentvolumeclaims holdfast/${left}`], failed: 0 } },
    ]);
  });

  test('retention deletes the older set, and upkeep lets go of its data and reads a part of the rest', async () => {
    const [wasOne, wasTwo] = await Promise.all(['one', 'two'].map(snapshotsOf));
    expect([wasOne, wasTwo].map(ids => ids?.length)).toEqual([2, 2]);
    const bytes = await bytesBelow(server, 'backups', `service/${key}data/`);
    const named = (await service.get<{ volumes: VolumeRecord[] }>(`backups/${second}`)).volumes.map(({ data }) => data?.snapshot);
    const { digest } = await service.get<{ digest: string }>('retention/plan');
    const done = await post('retention/runs', { confirm: digest });
    expect(done, JSON.stringify(done)).toMatchObject({
      phase: 'Completed',
      summary: { deleted: 1, items: [{ set: first, result: 'deleted' }] },
    });
    const { items, notices } = done.summary['upkeep'] as UpkeepOutcome;
    expect(notices).toEqual([]);
    expect(items).toMatchObject(['one', 'two'].map(claim => ({ repository: `volumes/agents/${claim}/`, forgotten: 1, state: 'done' })));
    expect(items[0]?.checked).toMatch(/^\d+\/12$/);
    expect(await Promise.all(['one', 'two'].map(snapshotsOf))).toEqual(named.map(id => [id]));
    expect(bytes - (await bytesBelow(server, 'backups', `service/${key}data/`))).toBeGreaterThan(7_000_000);
    await restic('one', ['check', '--read-data']);
    const { entries } = (await ask('ledger get --action volumes.upkeep')) as { entries: unknown[] };
    expect(entries).toMatchObject([{ details: { repositories: 2, items } }]);
    expect(await objects.list(volumeSnapshots, { namespace: 'holdfast' }, signal())).toHaveLength(2);
    await untilMetric('forgotten_total', value => value === 2);
    await untilMetric('upkeep_repositories{state="done"}', value => value === 2);
    await untilMetric('upkeep_last_success_timestamp_seconds', value => value > 1_700_000_000);
    await untilMetric('orphans', value => value === 0);
  });

  test('the first of a month: the clock has daily and monthly due at once, and their one set has snapshots and data', {
    timeout: 400_000,
  }, async () => {
    const day = new Date(later);
    const time = Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 1, 2);
    await startAt('month', time, configured(true));
    const scheduled = async () => (await service.get<{ items: SetView[] }>('backups')).items.find(({ fires }) => fires.length > 0);
    const { id } = await waitFor('the clock has had its backup', scheduled, { timeoutMs: 150_000, intervalMs: 300 });
    const made = await service.get<SetView>(`backups/${id}`);
    const at = new Date(time).toISOString();
    expect(made).toMatchObject({ phase: 'Completed', tier: 'monthly', fires: ['daily', 'monthly'].map(tier => ({ tier, at })) });
    expect(made.parts).toEqual(bothParts);
    expect(made.volumes).toMatchObject(['one', 'two'].map(claim => ({ claim, snapshot: { kept: {} }, data: { files: 2 } })));
    await untilMetric('movers_total{action="backup",result="completed"}', value => value === 2);
    for (const tier of ['daily', 'monthly']) {
      await untilMetric(`claims{policy="agents",tier="${tier}",state="captured"}`, value => value === 2);
      await untilMetric(`bytes{policy="agents",tier="${tier}"}`, value => value > 8_000_000);
    }
  });

  test('a tier has what its parts say where the request says nothing of volumes: daily snapshots and no mover, monthly the data too', {
    timeout: 400_000,
  }, async () => {
    const of = async (tier: string): Promise<SetView> => {
      const done = await post('backups', { policy: 'agents', tier });
      expect(done, JSON.stringify(done)).toMatchObject({ phase: 'Completed', summary: { tier, notProtected: [] } });
      return service.get<SetView>(`backups/${String(done.summary['set'])}`);
    };
    const movers = async () => (await metrics(service, 'holdfast_volume_movers_total{action="backup"')).reduce((sum, one) => sum + one, 0);
    const daily = await of('daily');
    expect(daily.parts).toEqual(bothParts.slice(0, 2));
    for (const { claim, state, snapshot, data } of daily.volumes) {
      expect({ state, data }, claim).toEqual({ state: 'captured', data: undefined });
      expect(await objects.read(volumeSnapshots, 'holdfast', snapshot?.kept?.name ?? '', signal()), claim).toBeDefined();
    }
    expect(daily.volumes).toHaveLength(2);
    expect(await movers()).toBe(2);
    const monthly = await of('monthly');
    expect(monthly.parts).toEqual(bothParts);
    expect(monthly.volumes).toMatchObject(['one', 'two'].map(claim => ({ claim, snapshot: { kept: {} }, data: { files: 2 } })));
    await untilMetric('movers_total{action="backup",result="completed"}', value => value === 4);
    expect(await Promise.all(['one', 'two'].map(async claim => (await snapshotsOf(claim)).length))).toEqual([3, 3]);
  });

  /** restic itself, with what lies in the cluster and the bucket. */
  async function restic(claim: string, args: readonly string[]): Promise<string> {
    const all = await objects.list(secrets, { namespace: 'holdfast', labelSelector: 'holdfast.dev/role=repository' }, signal());
    const its = all.find(one => stringAt(one, 'metadata', 'annotations', 'holdfast.dev/claim') === `agents/${claim}`);
    const password = Buffer.from(stringAt(its, 'data', 'password') ?? '', 'base64').toString('utf8');
    const repository = `s3:${server.endpoint}/backups/service/volumes/agents/${claim}`;
    const env = { ...options.env, HOME: dir, RESTIC_PASSWORD: password };
    const { stdout } = await promisify(execFile)(join(dir, 'restic'), ['-r', repository, '--no-cache', ...args], { env });
    return stdout;
  }

  async function snapshotsOf(claim: string): Promise<string[]> {
    return (JSON.parse(await restic(claim, ['snapshots', '--json'])) as { id: string }[]).map(({ id }) => id);
  }
});

/** Tiers that run by the clock, or only when somebody asks for them. */
function configured(scheduled: boolean): string {
  const suspend = `suspend: ${!scheduled}`;
  return `  retention: {schedule: "0 0 29 2 *"}
policies:
  agents:
    initialBackup: false
    selection: {includeNamespaces: [agents]}
    tiers:
      nightly: {schedule: "0 2 * * *", suspend: true, keep: 7d}
      daily: {schedule: "0 2 * * *", ${suspend}, keep: 30d, parts: [resources, volumeSnapshots]}
      monthly: {schedule: "0 2 1 * *", ${suspend}, keep: 12mo, parts: [resources, volumeSnapshots, volumeData]}
volumes:
  namespace: holdfast
  mover: {image: "${holdfastReference}", imagePullPolicy: Never}
  keepSnapshots: 1
`;
}

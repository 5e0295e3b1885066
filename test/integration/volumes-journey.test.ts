import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClaimRequest } from '../../src/domain/claim-request.ts';
import { at, type JsonObject, stringAt } from '../../src/domain/json.ts';
import type { RestoreOptions, RestoreOutcome } from '../../src/domain/restore-plan.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import type { VolumeRecord } from '../../src/domain/volume.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { runRestore } from '../../src/restore/run.ts';
import { restoreClaim } from '../../src/restore/volumes/restore-claim.ts';
import { claims, jobs, namespaces, secrets, volumes } from '../../src/volumes/kinds.ts';
import { storageClass } from '../cluster/csi.ts';
import { createClaim, deletePod, exec, runPod, startPod } from '../cluster/pods.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { waitFor } from '../cluster/wait.ts';
import { describeOnNodeWithImage } from '../cluster/with-node.ts';
import { completeBackup, type OpenLocation, reader } from '../helpers/journey.ts';
import { compareWith, failures, kindOf } from '../helpers/restore.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { backUpLive, bucketLocation, home, openVolumeWorld, type VolumeWorld, withVolumes } from '../helpers/volume-world.ts';

const deployments = kindOf('deployments.apps/v1 Deployment status');
const pods = kindOf('pods/v1 Pod status');
const selection = { ...everything, includeNamespaces: ['agents'] };
const signal = () => AbortSignal.timeout(170_000);

/** Prints a digest of every file, link and folder with its owner and mode. */
const hashAll = `cd /data && find . -type f | sort | xargs sha256sum && find . | sort | xargs stat -c '%n %u:%g %a %F'`;
const writeAll = `cd /data && mkdir -p src/deep && head -c 3000000 /dev/urandom > blob && for i in $(seq 1 200); do echo "file $i" > src/deep/f$i; done
  && ln -s deep/f1 src/link && chmod 4750 src/deep/f2 && chown 1000:1000 src/deep/f3 && mkfifo src/pipe
  && mkdir odd && for name in 'Foo\\044Lambda' 'Foo\\044\\044Lambda' '\\044(KUBERNETES_SERVICE_PORT)' 443; do printf "$name" > "odd/$(printf "$name")"; done && sync`;

describeOnNodeWithImage('volumes on a real node', cluster => {
  let server: S3Server;
  let location: OpenLocation;
  let world: VolumeWorld;
  let set: SetReader;
  let before: string;

  beforeAll(async () => {
    server = await startMinio({ address: cluster().node.hostAddress });
    location = await bucketLocation(server);
    world = await openVolumeWorld(cluster(), location, server);
    await world.objects.create(namespaces, { metadata: { name: 'agents' } }, signal());
    await createClaim(cluster(), { name: 'workspace', namespace: 'agents', size: '64Mi' });
    await runPod(cluster(), {
      name: 'writer',
      namespace: 'agents',
      command: writeAll.replaceAll('\n', ' '),
      claims: { '/data': 'workspace' },
    });
    before = await hashes('agents', 'workspace');
    const template = {
      metadata: { labels: { app: 'agent' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            ...{ name: 'main', image: 'localhost/tools:1', imagePullPolicy: 'Never', command: ['sh', '-c', 'sleep 10000'] },
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          },
        ],
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'workspace' } }],
      },
    };
    const spec = { replicas: 1, selector: { matchLabels: { app: 'agent' } }, template };
    await world.objects.create(deployments, { metadata: { name: 'agent', namespace: 'agents' }, spec }, signal());
    await untilRunning('agents');
    const record = await backUpLive(world, { namespace: 'agents', claim: 'workspace' }, { storageClass, sizeBytes: 64 * 2 ** 20 });
    set = withVolumes(await reader(location, await completeBackup(location, world.api, selection)), [record]);
  });
  afterAll(async () => {
    await world?.close();
    await location?.remove();
    await server?.stop();
  });

  async function hashes(namespace: string, claim: string): Promise<string> {
    const { log, exitCode } = await runPod(cluster(), { name: 'hash', namespace, command: hashAll, claims: { '/data': claim } });
    expect(exitCode, log).toBe(0);
    return log;
  }

  async function untilRunning(namespace: string): Promise<string> {
    const running = async () => {
      const found = await world.objects.list(pods, { namespace, labelSelector: 'app=agent' }, signal());
      return found.map(pod => (stringAt(pod, 'status', 'phase') === 'Running' ? stringAt(pod, 'metadata', 'name') : undefined))[0];
    };
    return waitFor(`the agent of ${namespace} runs`, running, { timeoutMs: 60_000, intervalMs: 200 });
  }

  const restore = (of: SetReader, target: string, options: Partial<RestoreOptions> = {}): Promise<RestoreOutcome> =>
    runRestore({
      ...{ reader: of, cluster: world.api, runtime: testRuntime, progress: noProgress, signal: signal(), volumes: world.tools },
      options: { selection, namespaceMapping: { agents: target }, existing: 'skip', ...options },
    });

  const bringBack = (request: Partial<ClaimRequest>, of: SetReader = set) =>
    restoreClaim({
      ...{ reader: of, cluster: world.api, runtime: testRuntime, progress: noProgress, signal: signal(), tools: world.tools },
      request: {
        ...{ from: { namespace: 'agents', claim: 'workspace' }, inPlace: false, include: [], deleteOthers: false, scaleDown: false },
        ...{ storageClasses: {}, ...request },
      },
    });

  async function nothingLeft(): Promise<void> {
    const ours = { namespace: home, labelSelector: 'holdfast.dev/role in (restore,mover)' };
    for (const kind of [claims, jobs, secrets]) expect(await world.objects.list(kind, ours, signal()), kind.resource).toEqual([]);
    expect(await world.objects.list(volumes, { labelSelector: 'holdfast.dev/role' }, signal())).toEqual([]);
    expect(world.warnings).toEqual([]);
  }

  const copyOf = (change: Partial<VolumeRecord>): SetReader =>
    withVolumes(
      set,
      set.manifest.volumes.map(record => ({ ...record, ...change })),
    );

  test('everything destroyed comes back: the pods run, and every file is as it was', async () => {
    await destroy('agents');
    const outcome = await restore(set, 'agents');
    expect(outcome.problems).toEqual([]);
    expect(outcome.volumes).toMatchObject([{ claim: 'workspace', state: 'filled', source: 'repository' }]);
    await untilRunning('agents');
    expect(await hashes('agents', 'workspace')).toBe(before);
    expect(failures(await compareWith(set, world.api, { selection }))).toEqual([]);
    await nothingLeft();
  });

  test('in place: refuses what is in use by name, and scales it down and up when asked', async () => {
    const pod = await untilRunning('agents');
    await exec(cluster(), { name: pod, namespace: 'agents' }, [
      'sh',
      '-c',
      'echo broken > /data/src/deep/f1; rm /data/blob; echo new > /data/extra',
    ]);
    await expect(bringBack({ inPlace: true })).rejects.toMatchObject({ code: 'VOLUME_IN_USE', message: expect.stringContaining(pod) });
    const outcome = await bringBack({ inPlace: true, scaleDown: true, deleteOthers: true });
    expect(outcome).toMatchObject({ state: 'filled', source: 'repository' });
    await untilRunning('agents');
    expect(await hashes('agents', 'workspace')).toBe(before);
    const deployment = (await world.objects.read(deployments, 'agents', 'agent', signal())) as JsonObject;
    expect(at(deployment, 'spec', 'replicas')).toBe(1);
    expect(JSON.stringify(at(deployment, 'metadata', 'annotations'))).not.toContain('holdfast.dev');
    expect(await world.objects.list(jobs, { namespace: 'agents' }, signal())).toEqual([]);
    expect(await world.objects.list(secrets, { namespace: 'agents' }, signal())).toEqual([]);
  });

  test('a single file into a new claim of another namespace', async () => {
    await world.objects.create(namespaces, { metadata: { name: 'look' } }, signal());
    await bringBack({ to: { namespace: 'look', claim: 'one-file' }, include: ['/src/deep/f7'] });
    const { log } = await runPod(cluster(), {
      name: 'ls',
      namespace: 'look',
      command: 'cd /data; find . -type f; cat src/deep/f7',
      claims: { '/data': 'one-file' },
    });
    expect(log).toBe('./src/deep/f7\nfile 7\n');
    await expect(bringBack({ to: { namespace: 'look', claim: 'one-file' } })).rejects.toMatchObject({ code: 'CLUSTER_CONFLICT' });
    await nothingLeft();
  });

  test('a file whose name has what the kubelet replaces in arguments: it, and not another one that is there too', async () => {
    const include = ['/odd/Foo$$Lambda', '/odd/$(KUBERNETES_SERVICE_PORT)'];
    expect(await bringBack({ to: { namespace: 'look', claim: 'odd-files' }, include })).toMatchObject({ state: 'filled' });
    const { log } = await runPod(cluster(), {
      ...{ name: 'ls-odd', namespace: 'look', command: 'cd /data/odd; ls; cat *', claims: { '/data': 'odd-files' } },
    });
    expect(log).toBe('$(KUBERNETES_SERVICE_PORT)\nFoo$$Lambda\n$(KUBERNETES_SERVICE_PORT)Foo$$Lambda');
  });

  test('in place, and once more at once, while the mover of the first still lets the claim go', async () => {
    const to = { namespace: 'look', claim: 'one-file' };
    for (const file of ['/src/deep/f1', '/src/deep/f2']) {
      expect(await bringBack({ to, inPlace: true, include: [file] })).toMatchObject({ state: 'filled', source: 'repository' });
    }
    const command = 'cd /data; find . -type f | sort';
    const { log } = await runPod(cluster(), { name: 'ls-again', namespace: 'look', command, claims: { '/data': 'one-file' } });
    expect(log).toBe('./src/deep/f1\n./src/deep/f2\n./src/deep/f7\n');
  });

  test('a claim that is too small, or of another mode, is not touched', async () => {
    await createClaim(cluster(), { name: 'small', namespace: 'look', size: '1Mi' });
    await createClaim(cluster(), { name: 'device', namespace: 'look', size: '64Mi', volumeMode: 'Block' });
    const to = (claim: string) => ({ to: { namespace: 'look', claim }, inPlace: true });
    await expect(bringBack(to('small'))).rejects.toMatchObject({ code: 'VOLUME_FULL' });
    await expect(bringBack(to('device'))).rejects.toMatchObject({ code: 'VOLUME_MODE_MISMATCH' });
    const { log } = await runPod(cluster(), { name: 'ls2', namespace: 'look', command: 'ls -A /data', claims: { '/data': 'small' } });
    expect(log).toBe('');
  });

  test('a claim that is still mounted by a pod of nobody is refused by name', async () => {
    await startPod(cluster(), { name: 'alone', namespace: 'look', command: 'sleep 1000', claims: { '/data': 'small' } });
    const to = { namespace: 'look', claim: 'small' };
    const small = copyOf({ data: { ...(set.manifest.volumes[0]?.data as NonNullable<VolumeRecord['data']>), bytes: 1 } });
    const refused = bringBack({ to, inPlace: true, scaleDown: true }, small);
    await expect(refused).rejects.toMatchObject({ code: 'VOLUME_IN_USE', message: expect.stringContaining('alone') });
    await deletePod(cluster(), { name: 'alone', namespace: 'look' });
  });

  async function destroy(namespace: string): Promise<void> {
    await world.objects.remove(namespaces, '', namespace, signal());
    const gone = async () => {
      const left = await world.objects.list(volumes, {}, signal());
      const none = !left.some(volume => stringAt(volume, 'spec', 'claimRef', 'namespace') === namespace);
      return none && (await world.objects.read(namespaces, '', namespace, signal())) === undefined;
    };
    await waitFor(`${namespace} and its volumes are gone`, gone, { timeoutMs: 90_000, intervalMs: 300 });
  }
});

import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runBackup } from '../../src/backup/run.ts';
import { createVolumeCapture } from '../../src/backup/volumes/capture.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { stringAt } from '../../src/domain/json.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { runRestore } from '../../src/restore/run.ts';
import type { VolumeTools } from '../../src/restore/volumes/tools.ts';
import { claims, namespaces, secrets, volumeSnapshots, volumes } from '../../src/volumes/kinds.ts';
import type { Objects } from '../../src/volumes/objects.ts';
import { secretName } from '../../src/volumes/repositories.ts';
import { type ClusterWithNode, startClusterWithNode } from '../cluster/cluster.ts';
import { holdfastImage } from '../cluster/holdfast-image.ts';
import { createClaim, exec, runningPod, runPod, startDeployment } from '../cluster/pods.ts';
import { s3Client } from '../cluster/s3.ts';
import { waitFor } from '../cluster/wait.ts';
import { describeOnNodeWithImage } from '../cluster/with-node.ts';
import { type CaptureWorld, openCaptureWorld } from '../helpers/capture-world.ts';
import { reader } from '../helpers/journey.ts';
import { inStorage } from '../helpers/left-over.ts';
import { compareWith, failures } from '../helpers/restore.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { openVolumeWorld } from '../helpers/volume-world.ts';
import { makeNamespace } from '../helpers/volumes.ts';

const selection = { ...everything, includeNamespaces: ['agents'] };
const signal = () => AbortSignal.timeout(170_000);
const claimNames = ['workspace', 'cache', 'device'] as const;
type ClaimName = (typeof claimNames)[number];
const hash: Readonly<Record<ClaimName, (path: string) => string>> = {
  workspace: path => `cd ${path} && find . -type f | sort | xargs sha256sum && find . | sort | xargs stat -c "%n %u:%g %a %F"`,
  cache: path => `cd ${path} && find . -type f | sort | xargs sha256sum`,
  device: path => `sha256sum < ${path}`,
};
/** A workload that has all claims. */
const agent = {
  ...{ name: 'agent', command: 'sleep 10000', devices: ['/claims/device'] },
  claims: Object.fromEntries(claimNames.map(name => [`/claims/${name}`, name])),
};

/** Captured by a backup, then destroyed in several ways. */
describeOnNodeWithImage('volumes after a disaster', cluster => {
  let world: CaptureWorld;
  let set: SetReader;
  let before: Readonly<Record<ClaimName, string>>;
  let second: Promise<ClusterWithNode> | undefined;

  beforeAll(async () => {
    world = await openCaptureWorld(cluster());
    await makeNamespace(world.objects, 'agents');
    await Promise.all(
      claimNames.map(name => {
        const volumeMode = name === 'device' ? ('Block' as const) : ('Filesystem' as const);
        return createClaim(cluster(), { name, namespace: 'agents', size: '32Mi', volumeMode });
      }),
    );
    const write =
      'cd /data && mkdir -p a/b && head -c 2000000 /dev/urandom > a/blob && echo x > a/b/c && chown 1000:1000 a/b/c && chmod 640 a/b/c && sync';
    const writeDevice = 'head -c 5000000 /dev/urandom | dd of=/dev/data conv=notrunc 2>/dev/null; sync';
    await Promise.all(claimNames.map(name => inPod(cluster(), 'agents', name, name === 'device' ? writeDevice : write)));
    before = await hashes(cluster(), 'agents');
    await startDeployment(cluster(), { ...agent, namespace: 'agents' });
    expect(await hashesInAgent(cluster(), 'agents')).toEqual(before);
    set = await backUp();
    // For the last test; it comes up while the others wait for their pods.
    second = startClusterWithNode({ name: 'second', unsafeNoFsync: true, images: [holdfastImage] });
    second.catch(() => {});
  }, 400_000);
  afterAll(async () => {
    await world?.close();
    await second?.then(
      cluster => cluster.destroy(),
      () => {},
    );
  });

  async function backUp(): Promise<SetReader> {
    const { repository, recipients, signingKey } = world.location;
    const outcome = await runBackup({
      ...{ repository, recipients, signingKey, selection, cluster: world.api, runtime: testRuntime, tier: 'test', sealIndex: false },
      ...{ signal: signal(), progress: noProgress, producerVersion: '0.0.0-test' },
      volumes: createVolumeCapture(world.tools(), { snapshots: true, data: true }),
    });
    if (outcome.phase !== 'Completed') throw new Error(`the backup ended ${outcome.phase}: ${JSON.stringify(outcome)}`);
    return reader(world.location, outcome.manifest.id);
  }

  const restoreTools = (): VolumeTools => ({ ...world.tools(), identities: [world.location.identity] });
  const restore = (target: string, tools: VolumeTools, api: ClusterApi = world.api) =>
    runRestore({
      ...{ reader: set, cluster: api, runtime: testRuntime, progress: noProgress, signal: signal(), volumes: tools },
      options: { selection, namespaceMapping: { agents: target }, existing: 'skip' },
    });
  const key = (name: string) => `volumes/agents/${name}/`;

  test('only the namespace was deleted: kept snapshots bring everything back, and no data is moved', async () => {
    await destroy(world.objects, 'agents');
    const outcome = await restore('agents', restoreTools());
    expect(outcome.problems).toEqual([]);
    expect(outcome.volumes).toMatchObject(claimNames.toSorted().map(claim => ({ claim, state: 'filled', source: 'snapshot' })));
    expect(await hashesInAgent(cluster(), 'agents')).toEqual(before);
    expect(failures(await compareWith(set, world.api, { selection }))).toEqual([]);
  });

  test('the snapshots are gone too: the repository brings everything back, and the workload runs on what it had written', async () => {
    await destroy(world.objects, 'agents');
    for (const snapshot of await world.objects.list(volumeSnapshots, { namespace: 'holdfast' }, signal())) {
      await world.objects.remove(volumeSnapshots, 'holdfast', stringAt(snapshot, 'metadata', 'name') ?? '', signal());
    }
    const gone = async () => (await world.objects.list(volumeSnapshots, {}, signal())).length === 0;
    await waitFor('the snapshots are gone', gone, { timeoutMs: 60_000, intervalMs: 200 });
    for (const what of ['volumes', 'snapshots'] as const) {
      await expect.poll(() => inStorage(cluster(), what), { timeout: 60_000, interval: 200 }).toEqual([]);
    }
    const outcome = await restore('agents', restoreTools());
    expect(outcome.problems).toEqual([]);
    expect(outcome.volumes).toMatchObject(claimNames.toSorted().map(claim => ({ claim, state: 'filled', source: 'repository' })));
    expect(await hashesInAgent(cluster(), 'agents')).toEqual(before);
    expect(await hashes(cluster(), 'agents')).toEqual(before);
    expect(failures(await compareWith(set, world.api, { selection }))).toEqual([]);
  });

  test('a wrong password fails its claim alone; without the Secret the sealed one serves', async () => {
    const name = secretName(world.location.repository.info.id, { namespace: 'agents', claim: 'cache' });
    const wrong = Buffer.from('wrong').toString('base64');
    await world.objects.merge(secrets, 'holdfast', name, { data: { password: wrong } }, signal());
    const refused = await restore('wrong', restoreTools());
    expect(refused.phase).toBe('PartiallyFailed');
    expect(refused.volumes.map(({ claim, problem }) => [claim, problem?.code])).toEqual([
      ['cache', 'VOLUME_PASSWORD_WRONG'],
      ['device', undefined],
      ['workspace', undefined],
    ]);
    expect(await world.objects.read(claims, 'wrong', 'cache', signal())).toBeUndefined();
    await world.objects.remove(secrets, 'holdfast', name, signal());
    const mended = await restore('wrong', restoreTools());
    expect(mended.problems).toEqual([]);
    expect(await hashes(cluster(), 'wrong')).toEqual(before);
  });

  test('a corrupted pack fails its claim alone, and nothing of it is left behind', async () => {
    const client = s3Client(world.s3);
    const list = await client.send(new ListObjectsV2Command({ Bucket: 'backups', Prefix: `cluster/${key('workspace')}data/` }));
    const packs = (list.Contents ?? []).toSorted((a, b) => (b.Size ?? 0) - (a.Size ?? 0));
    const place = { Bucket: 'backups', Key: packs[0]?.Key ?? '' };
    const bytes = Buffer.from((await (await client.send(new GetObjectCommand(place))).Body?.transformToByteArray()) ?? []);
    await client.send(new PutObjectCommand({ ...place, Body: Buffer.from(bytes).fill(0, 100, 2_000) }));
    const damaged = await restore('damaged', restoreTools());
    expect(damaged.phase).toBe('PartiallyFailed');
    expect(damaged.problems).toMatchObject([{ item: 'persistentvolumeclaims damaged/workspace', code: 'VOLUME_DATA_DAMAGED' }]);
    expect(await world.objects.read(claims, 'damaged', 'workspace', signal())).toBeUndefined();
    await expect.poll(async () => (await world.remains()).left, { timeout: 60_000, interval: 300 }).toEqual([]);

    await client.send(new PutObjectCommand({ ...place, Body: bytes }));
    client.destroy();
    expect((await restore('damaged', restoreTools())).problems).toEqual([]);
    expect(await hashes(cluster(), 'damaged')).toEqual(before);
  });

  test('a second, fresh cluster gets everything from the repository with the identity alone', async () => {
    const fresh = await second!;
    const there = await openVolumeWorld(fresh, world.location, world.s3, 'cluster');
    const outcome = await restore('agents', there.tools, there.api);
    expect(outcome.problems).toEqual([]);
    expect(outcome.volumes).toMatchObject(claimNames.map(() => ({ state: 'filled', source: 'repository' })));
    expect(await hashesInAgent(fresh, 'agents')).toEqual(before);
    expect(await hashes(fresh, 'agents')).toEqual(before);
    await there.close();
  });
});

function inPod(cluster: ClusterWithNode, namespace: string, claim: ClaimName, command: string) {
  const path = pathOf(claim);
  const devices = claim === 'device' ? [path] : [];
  return runPod(cluster, { name: `pod-${claim}`, namespace, command, claims: { [path]: claim }, devices });
}

function pathOf(claim: ClaimName): string {
  return claim === 'device' ? '/dev/data' : '/data';
}

async function hashes(cluster: ClusterWithNode, namespace: string): Promise<Record<ClaimName, string>> {
  const found = claimNames.map(async claim => {
    const { log, exitCode } = await inPod(cluster, namespace, claim, hash[claim](pathOf(claim)));
    expect(exitCode, log).toBe(0);
    return [claim, log] as const;
  });
  return Object.fromEntries(await Promise.all(found)) as Record<ClaimName, string>;
}

/** As the workload sees them, once it runs. */
async function hashesInAgent(cluster: ClusterWithNode, namespace: string): Promise<Record<ClaimName, string>> {
  const pod = { name: await runningPod(cluster, { ...agent, namespace }), namespace };
  const found = claimNames.map(async claim => {
    const { stdout, stderr, exitCode } = await exec(cluster, pod, ['sh', '-c', hash[claim](`/claims/${claim}`)]);
    expect(exitCode, stderr).toBe(0);
    return [claim, stdout] as const;
  });
  return Object.fromEntries(await Promise.all(found)) as Record<ClaimName, string>;
}

/** The namespace, its claims and their volumes. */
async function destroy(objects: Objects, namespace: string): Promise<void> {
  await objects.remove(namespaces, '', namespace, signal());
  const gone = async () => {
    const left = await objects.list(volumes, {}, signal());
    const none = !left.some(volume => stringAt(volume, 'spec', 'claimRef', 'namespace') === namespace);
    return none && (await objects.read(namespaces, '', namespace, signal())) === undefined;
  };
  await waitFor(`${namespace} and its volumes are gone`, gone, { timeoutMs: 90_000, intervalMs: 300 });
}

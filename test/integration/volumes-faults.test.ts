import { expect, test } from 'vitest';
import { at, stringAt } from '../../src/domain/json.ts';
import { claims, pods, snapshotClasses, volumes } from '../../src/volumes/kinds.ts';
import { type CsiFault, storageClass } from '../cluster/csi.ts';
import { exec, startPod } from '../cluster/pods.ts';
import { describeCaptures } from '../helpers/captures.ts';
import { never } from '../helpers/volumes.ts';

const both = { snapshots: true, data: true };
const onlySnapshots = { snapshots: true, data: false };
/** Enough for a snapshot on a busy machine. */
const impatient = { settings: { snapshotTimeoutMs: 20_000 } };
const longerMs = 28_000;

/** Each fault is that of the claim `bad`: its reason is told, the claim `good` is in the set, nothing stays behind, and the next set is whole. */
describeCaptures('what goes wrong with a volume', ({ cluster, world, withClaims, partly, whole }) => {
  /** The driver's own name of the volume of `bad`. */
  const badVolume = async (namespace: string) => {
    const volume = stringAt(await world().objects.read(claims, namespace, 'bad', never), 'spec', 'volumeName') ?? '';
    return stringAt(await world().objects.read(volumes, '', volume, never), 'spec', 'csi', 'volumeHandle') ?? '';
  };
  const failSnapshots = async (namespace: string, fault: CsiFault) =>
    cluster().node.csi.setFaults({ CreateSnapshot: { ...fault, match: await badVolume(namespace) } });
  /** A pod that uses `bad`, with hooks. */
  const startHooked = async (namespace: string) => {
    const pod = { namespace, name: 'app', claims: { '/data': 'bad' } };
    await startPod(cluster(), { ...pod, command: 'sleep 10000' });
    const annotate = (quiesce: string, thaw: string, timeout = '30s') => {
      const annotations = {
        'backup.holdfast.dev/quiesce': quiesce,
        'backup.holdfast.dev/thaw': thaw,
        'backup.holdfast.dev/hook-timeout': timeout,
      };
      return world().objects.merge(pods, namespace, 'app', { metadata: { annotations } }, never);
    };
    return { pod, annotate };
  };

  test('a snapshot that fails says so in the driver’s words', async () => {
    await withClaims('fails', ['good', 'bad']);
    await failSnapshots('fails', { message: 'disk on fire' });
    await partly('fails', both, { code: 'SNAPSHOT_FAILED', reason: expect.stringContaining('disk on fire') });
    await whole('fails', both);
  });

  test('a snapshot that is taken and never ready, and one that nobody takes, have run out of time; a late one has not', {
    timeout: 400_000,
  }, async () => {
    await withClaims('late', ['good', 'bad']);
    await failSnapshots('late', { readyAfterMs: -1 });
    const unusable = /after 20 s: it was taken, and the storage does not say that it can be used/;
    await partly('late', both, { code: 'SNAPSHOT_TIMEOUT', reason: expect.stringMatching(unusable) }, impatient);
    await whole('late', onlySnapshots, { CreateSnapshot: { readyAfterMs: 2_500 } });
    // It answers when nobody waits any more.
    await failSnapshots('late', { delayMs: longerMs });
    const hangs = /after 20 s: (the driver has not taken it|nobody has taken notice of it)/;
    await partly('late', both, { code: 'SNAPSHOT_TIMEOUT', reason: expect.stringMatching(hangs) }, impatient);
    await whole('late', onlySnapshots);
  });

  test('a driver that is gone is a snapshot out of time, and works again once it is back', async () => {
    await withClaims('gone', ['good', 'bad']);
    const { pod, annotate } = await startHooked('gone');
    await annotate('while [ ! -e /tmp/go ]; do usleep 100000; done', '', '100s');
    const goodIsDone = Promise.withResolvers<void>();
    const running = partly(
      'gone',
      both,
      { code: expect.stringMatching(/^SNAPSHOT_(TIMEOUT|FAILED)$/) },
      {
        ...impatient,
        progress: ({ phase, objects = 0 }) => (phase === 'volumes' && objects === 1 ? goodIsDone.resolve() : undefined),
        mend: () => cluster().node.csi.startDriver(),
      },
    );
    await Promise.race([goodIsDone.promise, running]);
    await cluster().node.csi.stopDriver();
    await exec(cluster(), pod, ['touch', '/tmp/go']);
    await running;
    await whole('gone', onlySnapshots);
  });

  test('a class that is named and missing, or ambiguous, is named also where claims may be read while in use; where a driver has none, they are', async () => {
    await withClaims('classes', ['good', 'bad']);
    const annotate = (claim: string, value: string | null) =>
      world().objects.merge(
        claims,
        'classes',
        claim,
        { metadata: { annotations: { 'backup.holdfast.dev/snapshot-class': value } } },
        never,
      );
    await annotate('bad', 'nothing');
    await partly('classes', both, { code: 'SNAPSHOT_CLASS_MISSING', reason: expect.stringContaining('VolumeSnapshotClass nothing') });
    await annotate('bad', null);
    const first = await world().objects.read(snapshotClasses, '', storageClass, never);
    const { name, annotations } = at(first, 'metadata') as { name: string; annotations?: object };
    const again = { ...first, metadata: { name, ...(annotations !== undefined && { annotations }) } };
    await world().objects.remove(snapshotClasses, '', storageClass, never);
    try {
      const reason = 'read while in use, without a snapshot: there is no VolumeSnapshotClass of driver csi.holdfast.test';
      const read = ['bad', 'good'].map(claim => ({ claim, state: 'captured', reason, data: { source: 'live' } }));
      expect(await world().capture('classes', both)).toMatchObject({ records: read, problems: [] });
      const strict = { settings: { liveFallback: false } };
      const failed = ['bad', 'good'].map(claim => ({ claim, state: 'failed', code: 'SNAPSHOT_CLASS_MISSING' }));
      expect(await world().capture('classes', both, strict)).toMatchObject({ records: failed });
    } finally {
      await world().objects.create(snapshotClasses, again, never);
    }
    await annotate('good', storageClass);
    const byDefault = { 'snapshot.storage.kubernetes.io/is-default-class': 'true' };
    await world().objects.create(snapshotClasses, { ...again, metadata: { name: 'another', annotations: byDefault } }, never);
    try {
      const ambiguous = { code: 'SNAPSHOT_CLASS_MISSING', reason: expect.stringContaining(`another, ${storageClass}`) };
      await partly('classes', onlySnapshots, ambiguous);
    } finally {
      await world().objects.remove(snapshotClasses, '', 'another', never);
    }
    await whole('classes', onlySnapshots);
  });

  test('a hook that fails or hangs fails the claims of its pod, which is thawed in any case', { timeout: 400_000 }, async () => {
    await withClaims('hooks', ['good', 'bad']);
    const { pod, annotate } = await startHooked('hooks');
    const thaw = 'echo yes >> /tmp/thawed';
    const thawed = async () => (await exec(cluster(), pod, ['sh', '-c', 'cat /tmp/thawed; rm -f /tmp/thawed'])).stdout;
    await annotate('echo not now >&2; exit 3', thaw);
    const failed = /exit code 3 in pods hooks\/app \(main\): not now/;
    await partly('hooks', both, { code: 'VOLUME_HOOK_FAILED', reason: expect.stringMatching(failed) });
    expect(await thawed()).toBe('yes\n');
    await annotate('sleep 60', thaw, '6s');
    await partly('hooks', both, { code: 'VOLUME_HOOK_FAILED', reason: expect.stringContaining('did not end within 6 s') });
    expect(await thawed()).toBe('yes\n');
    await annotate('true', thaw);
    await whole('hooks', onlySnapshots);
    expect(await thawed()).toBe('yes\n');
    await annotate('true', 'echo still frozen >&2; exit 1');
    const { records, problems } = await world().capture('hooks', onlySnapshots);
    expect(records).toMatchObject([{ state: 'captured' }, { state: 'captured' }]);
    expect(problems).toMatchObject([
      { item: 'pods hooks/app', code: 'VOLUME_HOOK_FAILED', message: expect.stringContaining('may still be frozen') },
    ]);
    // And when the snapshot fails between them.
    await annotate('true', thaw);
    await failSnapshots('hooks', { message: 'no' });
    await partly('hooks', onlySnapshots, { code: 'SNAPSHOT_FAILED' });
    // For the run before, which could not, and for this one.
    expect(await thawed()).toBe('yes\nyes\n');
    expect(world().warnings.splice(0)).toEqual([expect.stringContaining('pods hooks/app was left frozen by')]);
  });
});

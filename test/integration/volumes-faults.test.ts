import { expect, test } from 'vitest';
import { stringAt } from '../../src/domain/json.ts';
import { claims, pods, snapshotClasses, volumes } from '../../src/volumes/kinds.ts';
import { storageClass } from '../cluster/csi.ts';
import { exec, startPod } from '../cluster/pods.ts';
import { describeCaptures } from '../helpers/captures.ts';
import { never } from '../helpers/volumes.ts';

const both = { snapshots: true, data: true };
const onlySnapshots = { snapshots: true, data: false };
const impatient = { snapshotTimeoutMs: 4_000 };

/** Each fault is a claim’s own: its reason is told, the others go on, nothing stays behind, and the next run is clean. */
describeCaptures('what goes wrong with a volume', ({ cluster, world, clean, withClaims }) => {
  /** The driver's own name of it. */
  const volumeOf = async (namespace: string, name: string) => {
    const volume = stringAt(await world().objects.read(claims, namespace, name, never), 'spec', 'volumeName') ?? '';
    return stringAt(await world().objects.read(volumes, '', volume, never), 'spec', 'csi', 'volumeHandle') ?? '';
  };

  test('a snapshot that fails says so in the driver’s words, and the claim beside it is captured', async () => {
    await withClaims('fails', ['good', 'bad']);
    await cluster().node.csi.setFaults({ CreateSnapshot: { message: 'disk on fire', match: await volumeOf('fails', 'bad') } });
    const { records } = await world().capture('fails', onlySnapshots);
    expect(records).toMatchObject([
      { claim: 'bad', state: 'failed', code: 'SNAPSHOT_FAILED', reason: expect.stringContaining('disk on fire') },
      { claim: 'good', state: 'captured', snapshot: { kept: { namespace: 'holdfast' } } },
    ]);
    await cluster().node.csi.setFaults({});
    const again = await world().capture('fails', onlySnapshots);
    expect(again.records.map(({ state }) => state)).toEqual(['captured', 'captured']);
  });

  test('a snapshot that is taken and never ready, and one that nobody takes, have run out of time; a late one has not', async () => {
    await withClaims('late');
    await cluster().node.csi.setFaults({ CreateSnapshot: { readyAfterMs: -1 } });
    expect(await world().captureOne('late', onlySnapshots, { settings: impatient })).toMatchObject({
      ...{ state: 'failed', code: 'SNAPSHOT_TIMEOUT' },
      reason: expect.stringMatching(/after 4 s: it was taken, and the storage does not say that it can be used/),
    });
    await clean();
    // It answers when nobody waits any more.
    await cluster().node.csi.setFaults({ CreateSnapshot: { delayMs: 15_000 } });
    expect(await world().captureOne('late', onlySnapshots, { settings: impatient })).toMatchObject({
      ...{ state: 'failed', code: 'SNAPSHOT_TIMEOUT' },
      reason: expect.stringMatching(/after 4 s: (the driver has not taken it|nobody has taken notice of it)/),
    });
    await clean();
    await cluster().node.csi.setFaults({ CreateSnapshot: { readyAfterMs: 2_500 } });
    expect(await world().captureOne('late', onlySnapshots)).toMatchObject({ state: 'captured' });
  });

  test('a driver that is gone is a snapshot out of time, and works again once it is back', async () => {
    await withClaims('gone');
    await cluster().node.csi.stopDriver();
    const record = await world().captureOne('gone', onlySnapshots, { settings: impatient });
    expect(record).toMatchObject({ state: 'failed', code: expect.stringMatching(/^SNAPSHOT_(TIMEOUT|FAILED)$/) });
    await cluster().node.csi.startDriver();
    // What could not go without the driver goes by then.
    expect(await world().captureOne('gone', onlySnapshots)).toMatchObject({ state: 'captured' });
  });

  test('a class that is missing or ambiguous is named, unless the claim may be read while in use', async () => {
    await withClaims('classes');
    const strict = { settings: { liveFallback: false } };
    const annotate = (value: string | null) =>
      world().objects.merge(
        claims,
        'classes',
        'data',
        { metadata: { annotations: { 'backup.holdfast.dev/snapshot-class': value } } },
        never,
      );
    await annotate('nothing');
    expect(await world().captureOne('classes', both, strict)).toMatchObject({
      ...{ state: 'failed', code: 'SNAPSHOT_CLASS_MISSING', reason: expect.stringContaining('VolumeSnapshotClass nothing') },
    });
    expect(await world().captureOne('classes', both)).toMatchObject({ state: 'captured', data: { source: 'live' } });
    await annotate(null);
    const second = await world().objects.read(snapshotClasses, '', storageClass, never);
    const annotations = { 'snapshot.storage.kubernetes.io/is-default-class': 'true' };
    await world().objects.create(snapshotClasses, { ...second, metadata: { name: 'another', annotations } }, never);
    try {
      expect(await world().captureOne('classes', both, strict)).toMatchObject({
        ...{ state: 'failed', code: 'SNAPSHOT_CLASS_MISSING', reason: expect.stringContaining(`another, ${storageClass}`) },
      });
    } finally {
      await world().objects.remove(snapshotClasses, '', 'another', never);
    }
  });

  test('a hook that fails or hangs fails the claims of its pod, which is thawed in any case', async () => {
    await withClaims('hooks');
    const pod = { namespace: 'hooks', name: 'app', claims: { '/data': 'data' } };
    await startPod(cluster(), { ...pod, command: 'sleep 1000' });
    const annotate = (quiesce: string, thaw: string) => {
      const annotations = {
        'backup.holdfast.dev/quiesce': quiesce,
        'backup.holdfast.dev/thaw': thaw,
        'backup.holdfast.dev/hook-timeout': '2s',
      };
      return world().objects.merge(pods, 'hooks', 'app', { metadata: { annotations } }, never);
    };
    const thawed = async () => (await exec(cluster(), pod, ['sh', '-c', 'cat /tmp/thawed; rm -f /tmp/thawed'])).stdout;
    await annotate('echo not now >&2; exit 3', 'echo yes >> /tmp/thawed');
    expect(await world().captureOne('hooks', both)).toMatchObject({
      ...{ state: 'failed', code: 'VOLUME_HOOK_FAILED', reason: expect.stringMatching(/exit code 3 in pods hooks\/app \(main\): not now/) },
    });
    expect(await thawed()).toBe('yes\n');
    await annotate('sleep 30', 'echo yes >> /tmp/thawed');
    expect(await world().captureOne('hooks', both)).toMatchObject({
      ...{ state: 'failed', code: 'VOLUME_HOOK_FAILED', reason: expect.stringContaining('did not end within 2 s') },
    });
    expect(await thawed()).toBe('yes\n');
    await annotate('true', 'echo still frozen >&2; exit 1');
    const { records, problems } = await world().capture('hooks', onlySnapshots);
    expect(records).toMatchObject([{ state: 'captured' }]);
    expect(problems).toMatchObject([
      { item: 'pods hooks/app', code: 'VOLUME_HOOK_FAILED', message: expect.stringContaining('may still be frozen') },
    ]);
    // And when the snapshot fails between them.
    await annotate('true', 'echo yes >> /tmp/thawed');
    await cluster().node.csi.setFaults({ CreateSnapshot: { message: 'no' } });
    expect(await world().captureOne('hooks', onlySnapshots)).toMatchObject({ state: 'failed', code: 'SNAPSHOT_FAILED' });
    // For the run before, which could not, and for this one.
    expect(await thawed()).toBe('yes\nyes\n');
    expect(world().warnings.splice(0)).toEqual([expect.stringContaining('pods hooks/app was left frozen by')]);
  });
});

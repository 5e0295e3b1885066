import { expect, test } from 'vitest';
import { createLease } from '../../src/cluster/lease.ts';
import { type JsonObject, stringAt } from '../../src/domain/json.ts';
import type { Progress } from '../../src/domain/runtime.ts';
import { volumeNames } from '../../src/domain/volume.ts';
import { claims, pods, secrets, volumeSnapshots } from '../../src/volumes/kinds.ts';
import { claimDigest } from '../../src/volumes/labels.ts';
import type { Movers } from '../../src/volumes/ports.ts';
import { apiRequest } from '../cluster/api-request.ts';
import { exec, startPod } from '../cluster/pods.ts';
import { waitFor } from '../cluster/wait.ts';
import { describeCaptures, manifestOf } from '../helpers/captures.ts';
import { moverPod, nameOf, namespaceOf, never } from '../helpers/volumes.ts';

const onlySnapshots = { snapshots: true, data: false };
const onlyData = { snapshots: false, data: true };

/** Each fault is a claim’s own: its reason is told, the others go on, nothing stays behind, and the next run is clean. */
describeCaptures('what goes wrong with a mover', ({ cluster, world, clean, withClaims, partly, whole }) => {
  test('a claim that is deleted while its data is moved is captured all the same, and one that is gone before its snapshot says so', async () => {
    await withClaims('deleted', ['held', 'lost', 'moved']);
    const pod = { namespace: 'deleted', name: 'holds' };
    await startPod(cluster(), { ...pod, command: 'sleep 10000', claims: { '/data': 'held' } });
    const annotations = {
      'backup.holdfast.dev/quiesce': 'touch /tmp/begun; while [ ! -e /tmp/go ]; do usleep 100000; done',
      'backup.holdfast.dev/hook-timeout': '100s',
    };
    await world().objects.merge(pods, 'deleted', 'holds', { metadata: { annotations } }, never);
    // One snapshot at a time: the other claims wait for the pod of the first.
    const running = world().backUp('deleted', onlyData, { settings: { parallelSnapshots: 1 } });
    const begun = async () => (await exec(cluster(), pod, ['test', '-e', '/tmp/begun'])).exitCode === 0;
    await waitFor('the hook has begun', begun, { timeoutMs: 60_000, intervalMs: 200 });
    await world().objects.remove(claims, 'deleted', 'lost', never);
    const gone = async () => (await world().objects.read(claims, 'deleted', 'lost', never)) === undefined;
    await waitFor('the claim is gone', gone, { timeoutMs: 60_000, intervalMs: 200 });
    await exec(cluster(), pod, ['touch', '/tmp/go']);
    const moves = `app.kubernetes.io/component=mover,${volumeNames.claimLabel}=${claimDigest({ namespace: 'deleted', claim: 'moved' })}`;
    await moverPod(world().objects, moves);
    await world().objects.remove(claims, 'deleted', 'moved', never);
    const manifest = manifestOf(await running);
    expect(manifest).toMatchObject({ phase: 'PartiallyFailed', problems: [{ item: 'persistentvolumeclaims deleted/lost' }] });
    expect(manifest.volumes).toMatchObject([
      { claim: 'held', state: 'captured', data: { files: 1 } },
      { claim: 'lost', state: 'failed', code: 'VOLUME_GONE', reason: 'the claim was deleted before its snapshot was taken' },
      { claim: 'moved', state: 'captured', data: { files: 1 } },
    ]);
  });

  test('a wrong password of the repository is said, and does no harm', async () => {
    await withClaims('password', ['good', 'bad']);
    const before = world().moved.length;
    const first = await whole('password', onlyData);
    const labelSelector = 'holdfast.dev/role=repository';
    const all = await world().objects.list(secrets, { namespace: 'holdfast', labelSelector }, never);
    const secret = all.find(one => stringAt(one, 'metadata', 'annotations', 'holdfast.dev/claim') === 'password/bad');
    const right = stringAt(secret, 'data', 'password');
    const change = (password: string | undefined) =>
      world().objects.merge(secrets, 'holdfast', nameOf(secret), { data: { password } }, never);
    await change(Buffer.from('wrong').toString('base64'));
    await partly('password', onlyData, { code: 'VOLUME_PASSWORD_WRONG' }, { mend: () => change(right) });
    const last = await whole('password', onlyData);
    const repositories = [first, last].map(({ volumes }) => volumes.map(({ data }) => data?.repository));
    expect(repositories[1]).toEqual(repositories[0]);
    const results = world()
      .moved.slice(before)
      .map(({ action, result }) => `${action} ${result}`);
    expect(results.sort()).toEqual([...Array(5).fill('backup completed'), 'backup failed']);
  });

  test('a mover beyond its memory says which limit that was', async () => {
    await withClaims('memory', ['good', 'bad']);
    const [usual, small] = [world().tools(), { ...world().tools().settings.mover, resources: { limits: { memory: '40Mi' } } }];
    const limited = world().tools({ mover: small });
    const movers: Movers = { run: (task, run) => (task.subject.claim === 'bad' ? limited : usual).movers.run(task, run) };
    await partly(
      'memory',
      onlyData,
      { code: 'MOVER_FAILED', reason: expect.stringContaining('beyond its limit of 40Mi') },
      { tools: { movers } },
    );
    await whole('memory', onlyData);
  });

  const kill = async (pod: JsonObject) => {
    const path = `/api/v1/namespaces/${namespaceOf(pod)}/pods/${nameOf(pod)}?gracePeriodSeconds=0`;
    await apiRequest(cluster(), path, { method: 'DELETE' });
  };
  const begun = (pod: JsonObject) =>
    world().objects.waitFor(
      pods,
      namespaceOf(pod),
      nameOf(pod),
      found => (stringAt(found, 'status', 'phase') === 'Pending' ? undefined : true),
      { timeoutMs: 60_000, signal: never },
    );

  test('a mover that is killed, wherever it was, is tried once more, and needs no hand in its repository', async () => {
    await withClaims('killed', ['data'], 'for i in $(seq 100); do head -c 300000 /dev/urandom > /data/$i; done');
    for (const point of ['made', 'running', 'reading'] as const) {
      const reading = Promise.withResolvers<void>();
      const progress: Progress = ({ bytes = 0 }) => (bytes > 0 ? reading.resolve() : undefined);
      const running = world().captureOne('killed', onlyData, { progress });
      const pod = await moverPod(world().objects);
      if (point !== 'made') await begun(pod);
      if (point === 'reading') await Promise.race([reading.promise, running]);
      await kill(pod);
      expect(await running, point).toMatchObject({ state: 'captured', data: { files: 100, bytes: 30_000_000 } });
      await clean();
    }
  });

  test('a run that was killed is cleaned up by the next one', async () => {
    await withClaims('dead');
    // As `kill -9` leaves it: a mover that nobody waits for, and a lease that nobody renews.
    const forever = new Promise<never>(() => {});
    const lease = (name: string) => ({ ...createLease(world().api, { namespace: 'holdfast', name }), replace: () => forever });
    void world().capture('dead', onlyData, { id: '20261122T020000Z-test-dead', tools: { movers: { run: () => forever }, lease } });
    const labelSelector = 'holdfast.dev/work=20261122T020000Z-test-dead';
    await world().objects.observe(claims, { labelSelector }, found => (found.size > 0 ? true : undefined), {
      timeoutMs: 60_000,
      signal: never,
    });
    // The one that was handed over; the one before it may still be on its way out.
    expect(await world().objects.list(volumeSnapshots, { namespace: 'holdfast', labelSelector }, never)).toHaveLength(1);
    expect(await world().captureOne('dead', onlySnapshots)).toMatchObject({ state: 'captured' });
  });
});

import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { HookRule } from '../../src/domain/hook-rule.ts';
import { type JsonObject, stringAt } from '../../src/domain/json.ts';
import { claims, pods, volumeSnapshots } from '../../src/volumes/kinds.ts';
import { createClaim, exec, runPod, startPod } from '../cluster/pods.ts';
import { describeCaptures } from '../helpers/captures.ts';
import { makeNamespace, never } from '../helpers/volumes.ts';

const both = { snapshots: true, data: true };
const onlyData = { snapshots: false, data: true };

describeCaptures('capturing volumes', ({ cluster, world }) => {
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

  test('keeps what pods wrote: in a snapshot of the cluster and in the repository, and an unchanged claim adds nothing', async () => {
    await makeNamespace(world().objects, 'files');
    await createClaim(cluster(), { namespace: 'files', name: 'workspace' });
    const command =
      'head -c 3000000 /dev/urandom > /data/random; chmod 600 /data/random; chown 1000:1000 /data/random; sha256sum < /data/random';
    const written = await runPod(cluster(), { namespace: 'files', name: 'writes', command, claims: { '/data': 'workspace' } });

    const progress: number[] = [];
    const first = await world().captureOne('files', both, { progress: ({ objects = 0 }) => progress.push(objects) });
    expect(first).toMatchObject({
      ...{ namespace: 'files', claim: 'workspace', state: 'captured', reason: '', storageClass: 'holdfast-test', sizeBytes: 2 ** 30 },
      snapshot: { driver: 'csi.holdfast.test', class: 'holdfast-test', kept: { namespace: 'holdfast' } },
      data: { repository: 'volumes/files/workspace/', source: 'snapshot', files: 1, bytes: 3_000_000 },
    });
    expect(`${sha256(await world().stored(first, 'data/random'))}  -\n`).toBe(written.log);
    expect(progress.at(-1)).toBe(1);

    const second = await world().captureOne('files', both);
    expect(second.data?.addedBytes).toBeLessThan(100_000);
    expect(second.data?.snapshot).not.toBe(first.data?.snapshot);
    // Of the two, the newer one stays.
    await expect.poll(async () => (await world().remains()).kept, { timeout: 60_000 }).toBe(1);
    expect(await world().objects.read(volumeSnapshots, 'holdfast', second.snapshot?.kept?.name ?? '', never)).toBeDefined();
  });

  test('keeps the bytes of a block device', async () => {
    await makeNamespace(world().objects, 'blocks');
    await createClaim(cluster(), { namespace: 'blocks', name: 'device', volumeMode: 'Block', size: '64Mi' });
    const pod = { namespace: 'blocks', claims: { '/dev/data': 'device' }, devices: ['/dev/data'] };
    const command = 'head -c 5000000 /dev/urandom | dd of=/dev/data conv=notrunc 2>/dev/null; sync; sha256sum < /dev/data';
    const written = await runPod(cluster(), { ...pod, name: 'writes', command });
    const record = await world().captureOne('blocks', onlyData);
    expect(record).toMatchObject({ state: 'captured', volumeMode: 'Block', data: { files: 1, bytes: 64 * 2 ** 20 } });
    expect(record.snapshot).not.toHaveProperty('kept');
    expect(`${sha256(await world().stored(record, 'volume.img'))}  -\n`).toBe(written.log);
  });

  test('stops the writes of a pod by its hooks while snapshots are taken, and lets them go on', async () => {
    await makeNamespace(world().objects, 'hooks');
    for (const name of ['a', 'b']) await createClaim(cluster(), { namespace: 'hooks', name });
    const pod = { namespace: 'hooks', name: 'writer', claims: { '/a': 'a', '/b': 'b' } };
    // The same number in both claims, but for a moment in each round.
    const write = 'i=$((i+1)); echo $i > /a/n; usleep 20000; echo $i > /b/n; usleep 1000';
    const pause = 'while [ -e /tmp/frozen ]; do touch /tmp/paused; usleep 20000; done; rm -f /tmp/paused';
    await startPod(cluster(), { ...pod, command: `i=0; while true; do ${pause}; ${write}; done` });
    const annotations = {
      'backup.holdfast.dev/quiesce': 'touch /tmp/frozen; while [ ! -e /tmp/paused ]; do usleep 20000; done; echo quiesce >> /tmp/hooks',
      'backup.holdfast.dev/thaw': JSON.stringify(['sh', '-c', 'rm -f /tmp/frozen; echo thaw >> /tmp/hooks']),
    };
    await world().objects.merge(pods, 'hooks', 'writer', { metadata: { annotations } }, never);
    const { records, problems } = await world().capture('hooks', onlyData);
    expect(problems).toEqual([]);
    expect(records.map(({ state, reason }) => [state, reason])).toEqual([
      ['captured', ''],
      ['captured', ''],
    ]);
    const [a, b] = await Promise.all(records.map(record => world().stored(record, 'data/n')));
    expect(`${a}`).toBe(`${b}`);
    expect((await exec(cluster(), pod, ['cat', '/tmp/hooks'])).stdout).toBe('quiesce\nthaw\n');
    const now = async () => Number((await exec(cluster(), pod, ['cat', '/a/n'])).stdout);
    const before = await now();
    await expect.poll(now, { timeout: 60_000 }).toBeGreaterThan(before);
  });

  test('stops and thaws pods by the hooks of the configuration, and goes on where a hook that fails may be passed over', async () => {
    await makeNamespace(world().objects, 'rules');
    const names = ['ruled', 'annotated', 'broken'] as const;
    for (const name of names) {
      await createClaim(cluster(), { namespace: 'rules', name });
      const command = 'touch /tmp/started; sleep 10000';
      await startPod(cluster(), { namespace: 'rules', name, command, claims: { '/data': name }, labels: { kind: name } });
    }
    const annotations = { 'backup.holdfast.dev/thaw': 'echo own thaw >> /tmp/hooks' };
    await world().objects.merge(pods, 'rules', 'annotated', { metadata: { annotations } }, never);
    const rule = { namespaces: ['rule*'], container: 'main', timeoutMs: 30_000, onError: 'fail' } as const;
    const shell = (line: string) => ['sh', '-c', line];
    const thaw = shell('echo thaw >> /tmp/hooks');
    const hooks: HookRule[] = [
      { ...rule, labelSelector: 'kind=broken', quiesce: shell('echo no >&2; exit 7'), thaw, onError: 'continue' },
      { ...rule, labelSelector: 'kind in (ruled,annotated)', quiesce: shell('echo quiesce >> /tmp/hooks'), thaw },
    ];
    const { records, problems } = await world().capture('rules', { snapshots: true, data: false }, { settings: { hooks } });
    expect(problems).toEqual([]);
    expect(records.map(({ claim, state, reason }) => [claim, state, reason])).toEqual([
      ['annotated', 'captured', ''],
      ['broken', 'captured', 'taken although a hook failed: quiesce hook: exit code 7 in pods rules/broken (main): no'],
      ['ruled', 'captured', ''],
    ]);
    const ran = async (name: string) => (await exec(cluster(), { namespace: 'rules', name }, ['cat', '/tmp/hooks'])).stdout;
    expect(await ran('ruled')).toBe('quiesce\nthaw\n');
    expect(await ran('annotated')).toBe('own thaw\n');
    expect(await ran('broken')).toBe('thaw\n');

    const strict = hooks.map(one => ({ ...one, onError: 'fail' as const }));
    const failing = await world().capture('rules', { snapshots: true, data: false }, { settings: { hooks: strict } });
    expect(failing.records.map(({ claim, state, code }) => [claim, state, code])).toEqual([
      ['annotated', 'captured', undefined],
      ['broken', 'failed', 'VOLUME_HOOK_FAILED'],
      ['ruled', 'captured', undefined],
    ]);
    expect(await ran('broken'), 'thawed all the same').toBe('thaw\nthaw\n');
  });

  test('takes the snapshots of claims side by side, so many as it may', async () => {
    const names = ['a', 'b', 'c'];
    await makeNamespace(world().objects, 'beside');
    for (const name of names) await createClaim(cluster(), { namespace: 'beside', name });
    // No snapshot is ever taken until the driver has refused two of them.
    await cluster().node.csi.setFaults({ CreateSnapshot: { message: 'not yet' } });
    const running = world().capture(
      'beside',
      { snapshots: true, data: false },
      { settings: { parallelSnapshots: 2, snapshotTimeoutMs: 120_000 }, tools: { errorMs: 100_000 } },
    );
    const refused = (all: ReadonlyMap<string, JsonObject>) => {
      const said = [...all.values()].filter(one => (stringAt(one, 'status', 'error', 'message') ?? '').includes('not yet'));
      return said.length === 2 ? all.size : undefined;
    };
    const options = { timeoutMs: 90_000, signal: never };
    expect(await world().objects.observe(volumeSnapshots, { namespace: 'beside' }, refused, options)).toBe(2);
    await cluster().node.csi.setFaults({});
    const { records } = await running;
    expect(records).toMatchObject(names.map(claim => ({ claim, state: 'captured', snapshot: { kept: { namespace: 'holdfast' } } })));
  });

  test('reads a claim that no driver can snapshot while a pod uses it, and says so; by its hooks the pod is quiet meanwhile, for a time', async () => {
    await makeNamespace(world().objects, 'live');
    await createClaim(cluster(), { namespace: 'live', name: 'data' });
    const pod = { namespace: 'live', name: 'uses', claims: { '/data': 'data' } };
    await startPod(cluster(), { ...pod, command: 'echo content > /data/file; sleep 1000' });
    await world().objects.merge(claims, 'live', 'data', { metadata: { annotations: { 'backup.holdfast.dev/method': 'live' } } }, never);
    const record = await world().captureOne('live', both);
    expect(record).toMatchObject({
      state: 'captured',
      data: { source: 'live', files: 1 },
      reason: expect.stringContaining('while in use'),
    });
    expect(record.snapshot).toBeUndefined();
    expect(`${await world().stored(record, 'data/file')}`).toBe('content\n');

    // With hooks, while the pod is quiet: what they do is in the set.
    const hooks = (quiesce: string, thaw: string) => {
      const annotations = { 'backup.holdfast.dev/quiesce': quiesce, 'backup.holdfast.dev/thaw': thaw };
      return world().objects.merge(pods, 'live', 'uses', { metadata: { annotations } }, never);
    };
    const ran = async () => (await exec(cluster(), pod, ['sh', '-c', 'cat /tmp/hooks; rm /tmp/hooks'])).stdout;
    const thaw = 'rm -f /data/quiet; echo thaw >> /tmp/hooks';
    await hooks('echo yes > /data/quiet; echo quiesce >> /tmp/hooks', thaw);
    const quiet = await world().capture('live', both);
    const [captured] = quiet.records;
    const said = 'read while its pods were quiet, without a snapshot: its annotation asks for it';
    expect(quiet).toMatchObject({ records: [{ state: 'captured', reason: said, data: { source: 'live', files: 2 } }], problems: [] });
    if (captured !== undefined) expect(`${await world().stored(captured, 'data/quiet')}`).toBe('yes\n');
    expect(await ran()).toBe('quiesce\nthaw\n');

    // No longer than a snapshot may take; the rest is read, and the set says so.
    const { records, problems } = await world().capture('live', both, { settings: { snapshotTimeoutMs: 100 } });
    expect(records).toMatchObject([
      { state: 'captured', reason: expect.stringContaining('quiet for the first 0.1 s'), data: { source: 'live' } },
    ]);
    const thawedEarly = {
      item: 'pods live/uses',
      code: 'VOLUME_HOOK_FAILED',
      message: expect.stringMatching(/^thawed after 0.1 s, before/),
    };
    expect(problems).toEqual([thawedEarly]);
    expect(await ran()).toBe('quiesce\nthaw\n');

    await hooks('echo not now >&2; exit 3', thaw);
    const failed = await world().captureOne('live', both);
    expect(failed).toMatchObject({ state: 'failed', code: 'VOLUME_HOOK_FAILED', reason: expect.stringContaining('not now') });
    expect(failed.data).toBeUndefined();
    expect(await ran()).toBe('thaw\n');
  });

  test('leaves out what has no data or is not wanted, each with its reason', async () => {
    await makeNamespace(world().objects, 'left');
    await createClaim(cluster(), { namespace: 'left', name: 'unbound', storageClass: 'holdfast-test-late' });
    await createClaim(cluster(), { namespace: 'left', name: 'unwanted' });
    await world().objects.merge(
      claims,
      'left',
      'unwanted',
      { metadata: { annotations: { 'backup.holdfast.dev/exclude': 'true' } } },
      never,
    );
    const { records } = await world().capture('left', both);
    expect(records.map(({ claim, state, reason }) => [claim, state, reason])).toEqual([
      ['unbound', 'not-protected', 'it is not bound to a volume, and so has no data'],
      ['unwanted', 'not-protected', 'left out by its annotation backup.holdfast.dev/exclude'],
    ]);
  });
});

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { binary } from './binaries.ts';
import { csiCall, type Message } from './csi-call.ts';
import { tempDir } from './temp-dir.ts';
import { waitFor } from './wait.ts';
import { describeWhereNode } from './with-node.ts';

const run = promisify(execFile);

/**
 * A driver, and a writer that counts in the first of two mounted volumes and then in the second. Then what the snapshots have of it, `<first>
 * <second>` a line.
 */
const script = `
driver=$1 dir=$2 first=$3 second=$4
shift 4
"$driver" -data "$dir/data" -endpoint "$dir/csi.sock" -capacity 1099511627776 &
until [ -e "$dir/made" ]; do sleep 0.05; done
for volume in $first $second; do mkdir "$dir/$volume"; mount -o loop "$dir/data/volumes/$volume/content" "$dir/$volume"; done
(n=0; while :; do n=$((n + 1)); for volume in $first $second; do echo $n > "$dir/$volume/new"; mv "$dir/$volume/new" "$dir/$volume/n"; done; done) &
until [ -e "$dir/$second/n" ]; do sleep 0.05; done
: > "$dir/written"
until [ -e "$dir/taken" ]; do sleep 0.05; done
for snapshot; do mkdir "$dir/$snapshot"; mount -o loop,ro "$dir/data/snapshots/$snapshot/content" "$dir/$snapshot"; done
while [ $# -gt 0 ]; do echo $(cat "$dir/$1/n") $(cat "$dir/$2/n"); shift 2; done`;

const idOf = (kind: string, name: string) => `${kind}-${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
const [first, second, folder] = ['first', 'second', 'folder'].map(name => idOf('vol', name)) as [string, string, string];
const groups = ['one', 'two', 'three'];
const snapshotsOf = (group: string) => [first, second].map(source => idOf('snap', `${group} ${source}`));
const [invalid, missing, exists, precondition] = [3, 5, 6, 9];
const there = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );

describeWhereNode('snapshots of several volumes, by the CSI driver of the tests', () => {
  test('are of one moment, all or none, and go together', async () => {
    const dir = await tempDir('groups');
    const [driver, socket] = [await binary('csi-driver'), join(dir, 'csi.sock')];
    const alone = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];
    const inside = run('unshare', [
      ...alone,
      '/bin/sh',
      '-euc',
      script,
      'groups',
      driver,
      dir,
      first,
      second,
      ...groups.flatMap(snapshotsOf),
    ]);
    inside.catch(() => {});
    const patience = { timeoutMs: 60_000, intervalMs: 50 };
    const ask = (method: string, request: Message) => csiCall(socket, `csi.v1.${method}`, request);
    const status = async (method: string, request: Message) => (await ask(`GroupController/${method}`, request)).status;
    const folders = (name: string) => readdir(join(dir, 'data', name));

    await waitFor('the driver listens', () => there(socket), patience);
    for (const [name, sized] of [
      ['first', 'true'],
      ['second', 'true'],
      ['folder', 'false'],
    ] as const) {
      const request = { 1: name, 2: { 1: 32 * 2 ** 20 }, 3: { 2: {}, 3: { 1: 1 } }, 4: { 1: 'sized', 2: sized } };
      expect((await ask('Controller/CreateVolume', request)).status).toBe(0);
    }
    await writeFile(join(dir, 'made'), '');
    await waitFor('something was written', () => there(join(dir, 'written')), patience);

    // The calls of one group wait for nobody: the writer is held up while it is taken, and no longer.
    for (const name of groups) {
      const made = await ask('GroupController/CreateVolumeGroupSnapshot', { 1: name, 2: [first, second] });
      expect(made.status).toBe(0);
      for (const id of [idOf('group', name), ...snapshotsOf(name)]) expect(made.body.includes(id)).toBe(true);
      const again = await ask('GroupController/CreateVolumeGroupSnapshot', { 1: name, 2: [second, first] });
      expect(again.body.equals(made.body)).toBe(true);
    }
    expect(await status('CreateVolumeGroupSnapshot', { 1: 'one', 2: [first] })).toBe(exists);
    expect(await status('CreateVolumeGroupSnapshot', { 1: 'other', 2: [first, folder] })).toBe(precondition);
    expect(await status('CreateVolumeGroupSnapshot', { 1: 'other', 2: [first, 'vol-0'] })).toBe(missing);
    expect(await folders('snapshots')).toHaveLength(2 * groups.length);
    await writeFile(join(dir, 'taken'), '');
    const { stdout } = await inside;
    const counts = stdout
      .trim()
      .split('\n')
      .map(line => line.split(' ').map(Number));
    expect(counts).toHaveLength(groups.length);
    // What is counted in the second was counted in the first before, and at most one more was.
    for (const [one = Number.NaN, other = Number.NaN] of counts) expect([0, 1], stdout).toContain(one - other);
  });

  test('are found and deleted by their group, held to the list that the caller has', async () => {
    const dir = await tempDir('groups');
    const [driver, socket] = [await binary('csi-driver'), join(dir, 'csi.sock')];
    const stop = new AbortController();
    const running = run(driver, ['-data', join(dir, 'data'), '-endpoint', socket], { signal: stop.signal });
    running.catch(() => {});
    try {
      await waitFor('the driver listens', () => there(socket), { timeoutMs: 60_000, intervalMs: 50 });
      const ask = (method: string, request: Message) => csiCall(socket, `csi.v1.${method}`, request);
      const status = async (method: string, request: Message) => (await ask(`GroupController/${method}`, request)).status;
      for (const name of ['first', 'second']) {
        const request = { 1: name, 2: { 1: 32 * 2 ** 20 }, 3: { 2: {}, 3: { 1: 1 } }, 4: { 1: 'sized', 2: 'true' } };
        expect((await ask('Controller/CreateVolume', request)).status).toBe(0);
      }
      expect(await status('CreateVolumeGroupSnapshot', { 1: 'one', 2: [first, second] })).toBe(0);
      const [group, snapshots] = [idOf('group', 'one'), snapshotsOf('one')];
      expect(await status('GetVolumeGroupSnapshot', { 1: group, 2: snapshots })).toBe(0);
      for (const method of ['GetVolumeGroupSnapshot', 'DeleteVolumeGroupSnapshot']) {
        expect(await status(method, { 1: group, 2: snapshots.slice(1) })).toBe(invalid);
      }
      expect(await readdir(join(dir, 'data', 'snapshots'))).toHaveLength(2);
      expect(await status('DeleteVolumeGroupSnapshot', { 1: group, 2: snapshots })).toBe(0);
      expect(await readdir(join(dir, 'data', 'snapshots'))).toEqual([]);
      expect(await status('GetVolumeGroupSnapshot', { 1: group, 2: snapshots })).toBe(missing);
      expect(await status('DeleteVolumeGroupSnapshot', { 1: group, 2: snapshots })).toBe(0);
    } finally {
      stop.abort();
      await running.catch(() => {});
    }
  });
});

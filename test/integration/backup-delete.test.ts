import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newSetId } from '../../src/domain/set-id.ts';
import { setPrefix } from '../../src/repository/layout.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { collect, configMap, type Keys, writeSet } from '../contract/repository-fixture.ts';
import { holdfast, mainFile } from '../helpers/command.ts';
import { generateKeys, type PlatformOnMinio, startPlatformOnMinio } from '../helpers/platform-on-minio.ts';

const dayMs = 24 * 3_600_000;

let work: string;
let keys: Keys;
beforeAll(async () => {
  work = await tempDir('backup-delete');
  keys = await generateKeys(join(work, 'keys'));
});

/** A set by hand of so many days ago. */
async function taken(store: ObjectStore, daysAgo: number, objects = 2): Promise<string> {
  const id = newSetId(new Date(Date.now() - daysAgo * dayMs), 'manual', Buffer.from([daysAgo, 1, 2, 3]));
  const all = Array.from({ length: objects }, (_, i) => configMap(`c${i}`));
  await writeSet(await openRepository(store), keys, { id, objects: all, maxTarBytes: 1, tier: 'manual' });
  return id;
}

describe('backup delete on MinIO, by the real command', () => {
  let platform: PlatformOnMinio;
  let sets: string[];

  beforeAll(async () => {
    platform = await startPlatformOnMinio(join(work, 'keys'));
    sets = [];
    for (const daysAgo of [9, 7, 5, 3, 1]) sets.push(await taken(platform.store, daysAgo));
  });
  afterAll(() => platform?.stop());

  const remove = (...args: string[]) => platform.run('backup', 'delete', ...args);
  const names = async () => (await platform.run('backup', 'get', '-o', 'name')).stdout.trim().split('\n').sort();

  it('takes full ids alone, and says which one another word means now', async () => {
    for (const text of ['latest', new Date().toISOString().slice(0, 10), sets[4]!.slice(0, -2)]) {
      const refused = await remove(text, '--yes');
      expect([refused.exit, refused.stderr]).toEqual([2, expect.stringContaining(`now it means ${sets[4]}`)]);
    }
    expect((await remove('1999', '--yes')).exit).toBe(10);
    expect(await remove()).toMatchObject({ exit: 2, stderr: expect.stringContaining('missing required argument') });
    expect(await names()).toEqual(sets);
  });

  it('shows what would go where nobody can confirm it, and deletes nothing', async () => {
    const shown = await remove(sets[0]!);
    expect([shown.exit, shown.stderr]).toEqual([2, expect.stringContaining('--yes')]);
    expect(shown.stdout).toMatch(new RegExp(`^${sets[0]}  ✓ Completed\n  Started .* 9d ago\n`));
    expect(shown.stdout).toContain('no policy names its tier (manual)');
    const dry = await remove(sets[1]!, sets[0]!, '--dry-run', '-o', 'json');
    expect(dry.exit, dry.stderr).toBe(0);
    expect(JSON.parse(dry.stdout).plans).toMatchObject([
      { set: sets[0], phase: 'Completed', tier: 'manual', objects: 2, volumes: [], keptBy: [expect.any(String)], warnings: [] },
      { set: sets[1] },
    ]);
    expect(await names()).toEqual(sets);
  });

  it('deletes none where one of them may not go, and says which, why and what next', async () => {
    expect((await platform.run('hold', sets[1]!, '--reason', 'audit 2026')).exit).toBe(0);
    const refused = await remove(sets[0]!, sets[1]!, '--yes', '-o', 'json');
    expect(refused.exit).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({
      ...{ message_type: 'exit_error', code: 'BACKUP_HELD', exit: 1 },
      message: expect.stringMatching(`1 of 2 may not go, so nothing was deleted: ${sets[1]} is held by .*: audit 2026`),
      hint: expect.stringContaining(`holdfast release ${sets[1]}`),
    });
    expect((await remove(sets[1]!, '--dry-run')).exit).toBe(1);
    expect(await names()).toEqual(sets);
    expect((await platform.run('release', sets[1]!, '--reason', 'over')).exit).toBe(0);
  });

  it('deletes one, all that belongs to it, and the ledger has who, which and why', async () => {
    const done = await remove(sets[0]!, '--yes', '--reason', 'it holds a password');
    expect([done.exit, done.stdout], done.stderr).toEqual([0, expect.stringContaining('✓ 1 backup deleted.')]);
    expect(await names()).toEqual(sets.slice(1));
    expect((await collect(platform.store.list(''))).filter(({ key }) => key.includes(sets[0]!))).toEqual([]);
    expect((await remove(sets[0]!, '--yes')).exit).toBe(10);
    const ledger = await platform.run('ledger', 'get', '--action', 'set.deleted', '-o', 'json');
    expect(JSON.parse(ledger.stdout).entries).toMatchObject([
      {
        subject: sets[0],
        actor: { via: 'cli' },
        details: { reasons: ['somebody asked for it: it holds a password', expect.stringContaining('manual')] },
      },
    ]);
    expect((await platform.run('ledger', 'verify')).exit).toBe(0);
    expect((await platform.run('verify', 'all')).exit).toBe(0);
  });

  it('deletes several, passes over one that is not there, and never the last', async () => {
    const some = await remove(sets[0]!, sets[1]!, sets[2]!, '--yes', '-o', 'name');
    expect([some.exit, some.stdout.trim().split('\n')]).toEqual([10, [sets[1], sets[2]]]);
    const both = await remove(sets[3]!, sets[4]!, '--yes');
    expect([both.exit, both.stderr]).toEqual([1, expect.stringContaining('the last complete set of')]);
    expect(await names()).toEqual(sets.slice(3));
    expect((await remove(sets[3]!, '--yes')).exit).toBe(0);
    const last = await remove(sets[4]!, '--yes', '-o', 'json');
    expect([last.exit, JSON.parse(last.stdout)]).toMatchObject([
      1,
      { code: 'BACKUP_NEEDED', hint: expect.stringContaining('backup create') },
    ]);
    expect(await names()).toEqual([sets[4]]);
  });
});

describe('kill -9 of the real process while it deletes', () => {
  let flags: string[];
  let store: ObjectStore;

  beforeEach(async () => {
    const dir = await mkdtemp(join(work, 'killed-'));
    flags = ['--location', dir, '--keys-dir', join(work, 'keys')];
    expect((await holdfast(['init', ...flags])).exit).toBe(0);
    store = createFileStore(dir);
  });

  it('leaves each set whole or gone, and the same command finishes', async () => {
    const newest = await taken(store, 0);
    let interrupted = 0;
    // More of them where none was caught in the middle.
    for (let round = 1; round <= 6 || interrupted === 0; round++) {
      const victim = await taken(store, round, 200);
      const files = (await collect(store.list(setPrefix(victim)))).length;
      const child = spawn(process.execPath, [mainFile, 'backup', 'delete', victim, '--yes', ...flags], { stdio: 'ignore' });
      const ended = once(child, 'exit');
      while (child.exitCode === null && (await collect(store.list(setPrefix(victim)))).length === files) await sleep(1);
      child.kill('SIGKILL');
      await ended;
      const left = (await collect(store.list(''))).filter(({ key }) => key.includes(victim)).length;
      if (left > 0) interrupted += 1;
      expect((await holdfast(['verify', 'all', ...flags])).exit).toBe(0);
      const again = await holdfast(['backup', 'delete', victim, '--yes', ...flags]);
      expect(again.exit, again.stderr).toBe(left > 0 ? 0 : 10);
      expect((await collect(store.list(''))).filter(({ key }) => key.includes(victim))).toEqual([]);
    }
    expect((await holdfast(['backup', 'get', '-o', 'name', ...flags])).stdout.trim()).toBe(newest);
    expect((await holdfast(['ledger', 'verify', ...flags])).exit).toBe(0);
  }, 400_000);
});

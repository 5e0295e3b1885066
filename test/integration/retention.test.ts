import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newSetId } from '../../src/domain/set-id.ts';
import { encodeManifest } from '../../src/repository/manifest.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { commitClaimed } from '../../src/repository/run-claim.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { collect, configMap, type Keys, writeSet } from '../contract/repository-fixture.ts';
import { holdfast, mainFile } from '../helpers/command.ts';
import { generateKeys, type PlatformOnMinio, startPlatformOnMinio } from '../helpers/platform-on-minio.ts';

const dayMs = 24 * 3_600_000;

let work: string;
let keys: Keys;
beforeAll(async () => {
  work = await tempDir('retention');
  keys = await generateKeys(join(work, 'keys'));
});

/** A set of the daily run, as a service took it so many days ago. */
async function taken(store: ObjectStore, daysAgo: number): Promise<string> {
  const repository = await openRepository(store);
  const at = new Date(Math.floor(Date.now() / 1000) * 1000 - daysAgo * dayMs);
  const id = newSetId(at, 'daily', Buffer.from([daysAgo, 1, 2, 3]));
  const made = await writeSet(repository, keys, { id, objects: [configMap('a'), configMap('b')], halfWritten: true, maxTarBytes: 1 });
  const manifest = { ...made.manifest, fires: [{ policy: 'platform', tier: 'daily', at: at.toISOString() }] };
  await commitClaimed(repository, manifest, encodeManifest(manifest, keys.privatePem), { signingKey: keys.privatePem });
  return id;
}

describe('retention on MinIO, by the real command', () => {
  let platform: PlatformOnMinio;
  let sets: string[];

  beforeAll(async () => {
    platform = await startPlatformOnMinio(join(work, 'keys'));
    sets = [];
    for (const daysAgo of [60, 50, 40, 1, 0]) sets.push(await taken(platform.store, daysAgo));
  });
  afterAll(() => platform?.stop());

  const run = (...args: string[]) => platform.run(...args);
  const goes = async () => (await run('retention', 'plan', '-o', 'name')).stdout.split('\n').filter(line => line !== '');

  it('plans, and changes nothing', async () => {
    const plan = await run('retention', 'plan', '-o', 'json');
    expect(plan.exit, plan.stderr).toBe(0);
    expect(JSON.parse(plan.stdout).decisions.map(({ set, action }: { set: string; action: string }) => [set, action])).toEqual(
      sets.map((set, i) => [set, i < 3 ? 'delete' : 'keep']),
    );
    const dry = await run('retention', 'run', '--dry-run', '-o', 'name');
    expect([dry.exit, dry.stdout.trim().split('\n')]).toEqual([0, sets.slice(0, 3)]);
    expect(await goes()).toEqual(sets.slice(0, 3));
  });

  it('deletes nothing where nobody can confirm it', async () => {
    const refused = await run('retention', 'run');
    expect([refused.exit, refused.stderr]).toEqual([2, expect.stringContaining('--yes')]);
    expect(await goes()).toEqual(sets.slice(0, 3));
  });

  it('keeps what is held, deletes the rest, and then what was released', async () => {
    expect(await run('hold', sets[1]!)).toMatchObject({ exit: 2, stderr: expect.stringContaining('--reason') });
    const held = await run('hold', sets[1]!, '--reason', 'audit 2026');
    expect(held.exit, held.stderr).toBe(0);
    const done = await run('retention', 'run', '--yes', '-o', 'name');
    expect([done.exit, done.stdout.trim().split('\n')], done.stderr).toEqual([0, [sets[0], sets[2]]]);
    expect((await run('retention', 'plan', '--all')).stdout).toMatch(new RegExp(`${sets[1]}.*held by .*: audit 2026`));
    expect((await run('release', sets[1]!, '--reason', 'over')).exit).toBe(0);
    expect((await run('release', sets[1]!, '--reason', 'over')).exit).toBe(10);
    expect((await run('retention', 'run', '--yes')).exit).toBe(0);
    const left = (await collect(platform.store.list(''))).map(({ key }) => key);
    expect(left.filter(key => sets.slice(0, 3).some(id => key.includes(id)))).toEqual([]);
    expect(left.filter(key => /^(holds|schedule|retention)\//.test(key))).toHaveLength(2);
    expect((await run('verify', 'all')).exit).toBe(0);
  });

  it('is told by the ledger', async () => {
    const ledger = await run('ledger', 'get', '-o', 'json');
    const entries: { action: string; subject: string }[] = JSON.parse(ledger.stdout).entries;
    const ofSets = entries.filter(({ action }) => action.startsWith('set.'));
    expect(ofSets.map(({ action, subject }) => [action, subject]).reverse()).toEqual([
      ['set.held', sets[1]],
      ['set.deleted', sets[0]],
      ['set.deleted', sets[2]],
      ['set.released', sets[1]],
      ['set.deleted', sets[1]],
    ]);
    expect((await run('ledger', 'verify')).exit).toBe(0);
  });
});

describe('kill -9 of the real process during retention', () => {
  let flags: string[];
  let store: ObjectStore;

  beforeEach(async () => {
    const dir = await mkdtemp(join(work, 'killed-'));
    flags = ['--location', dir, '--keys-dir', join(work, 'keys')];
    expect((await holdfast(['init', ...flags])).exit).toBe(0);
    store = createFileStore(dir);
  });

  it('leaves whole sets at any moment, and the next run finishes', async () => {
    const old: string[] = [];
    for (let daysAgo = 90; daysAgo > 40; daysAgo--) old.push(await taken(store, daysAgo));
    const newest = await taken(store, 0);
    const visible = async () => (await holdfast(['backup', 'get', '-o', 'name', ...flags])).stdout.trim().split('\n').sort();
    let seen = 0;
    for (let round = 0; round < 5; round++) {
      const before = await visible();
      const child = spawn(process.execPath, [mainFile, 'retention', 'run', '--yes', ...flags], { stdio: 'ignore' });
      const ended = once(child, 'exit');
      while (child.exitCode === null) {
        if ((await collect(store.listNames('backups/'))).length < before.length - round) break;
        await sleep(2);
      }
      child.kill('SIGKILL');
      await ended;
      const verified = await holdfast(['verify', 'all', ...flags]);
      expect(verified.exit, verified.stdout).toBe(0);
      const after = await visible();
      expect(after).toContain(newest);
      if (after.length > 1 && after.length < before.length) seen += 1;
    }
    expect(seen).toBeGreaterThan(0);
    const finished = await holdfast(['retention', 'run', '--yes', ...flags]);
    expect(finished.exit, finished.stderr).toBe(0);
    expect(await visible()).toEqual([newest]);
    const left = (await collect(store.list(''))).map(({ key }) => key);
    expect(left.filter(key => old.some(id => key.includes(id)))).toEqual([]);
    expect((await holdfast(['ledger', 'verify', ...flags])).exit).toBe(0);
  }, 180_000);
});

describe('retention beside a restore by hand', () => {
  it('keeps what the other process reads, says so, and deletes it when that has ended', async () => {
    const dir = await mkdtemp(join(work, 'used-'));
    const flags = ['--location', dir, '--keys-dir', join(work, 'keys')];
    expect((await holdfast(['init', ...flags])).exit).toBe(0);
    const store = createFileStore(dir);
    const [read, old] = [await taken(store, 60), await taken(store, 50)];
    await taken(store, 0);
    // A cluster that takes connections and never says a word.
    const silent = createServer();
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve));
    const kubeconfig = join(work, 'silent.kubeconfig');
    const cluster = { server: `https://127.0.0.1:${(silent.address() as AddressInfo).port}`, 'insecure-skip-tls-verify': true };
    const context = { cluster: 'silent', user: 'silent' };
    await writeFile(
      kubeconfig,
      JSON.stringify({
        ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'silent' },
        clusters: [{ name: 'silent', cluster }],
        users: [{ name: 'silent', user: { token: 'x' } }],
        contexts: [{ name: 'silent', context }],
      }),
    );
    const line = ['restore', 'create', read, '--yes', '--kubeconfig', kubeconfig, '--identity', join(work, 'keys', 'operator.identity')];
    const child = spawn(process.execPath, [mainFile, ...line, ...flags], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    const used = () => collect(store.list('uses/'));
    try {
      await waitFor('the restore says what it reads', async () => (await used()).length === 1 || undefined, {
        ...{ timeoutMs: 60_000, intervalMs: 10 },
      });
      child.kill('SIGSTOP');
      const plan = await holdfast(['retention', 'plan', '-o', 'json', ...flags]);
      const { decisions } = JSON.parse(plan.stdout) as { decisions: { set: string; action: string; reasons: string[] }[] };
      expect(decisions.find(({ set }) => set === read)).toMatchObject({
        ...{ action: 'keep', reasons: [expect.stringMatching(/^being restored by ./)] },
      });
      const first = await holdfast(['retention', 'run', '--yes', '-o', 'name', ...flags]);
      expect([first.exit, first.stdout.trim()], first.stderr).toEqual([0, old]);
      expect(await used()).toHaveLength(1);
    } finally {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      await ended;
      silent.close();
    }
    expect(await used()).toEqual([]);
    const second = await holdfast(['retention', 'run', '--yes', '-o', 'name', ...flags]);
    expect([second.exit, second.stdout.trim()], second.stderr).toEqual([0, read]);
  }, 180_000);
});

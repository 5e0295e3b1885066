import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { holdfast, type Ran } from '../helpers/command.ts';
import { startServe } from '../helpers/serve-process.ts';

interface Entry {
  readonly seq: number;
  readonly action: string;
  readonly subject: string;
  readonly actor: { readonly name: string; readonly via: string };
  readonly details: Readonly<Record<string, unknown>>;
}

describe('the ledger of what is done by hand', () => {
  let dir: string;
  let cluster: TestCluster;

  const run = (line: string, keys = 'keys') =>
    holdfast(line.split(' '), {
      env: {
        HOLDFAST_LOCATION: join(dir, 'repository'),
        HOLDFAST_KEYS_DIR: join(dir, keys),
        HOLDFAST_KUBECONFIG: cluster.kubeconfig,
        HOLDFAST_IDENTITY: join(dir, 'keys', 'operator.identity'),
      },
    });
  const ok = (ran: Ran): string => {
    expect(ran.exit, ran.stderr).toBe(0);
    return ran.stdout.trim();
  };
  const backup = async (keys?: string) => ok(await run('backup create -q -o name --include-namespaces default', keys));
  /** Oldest first. */
  const entries = async (): Promise<Entry[]> => JSON.parse(ok(await run('ledger get -o json --limit 1000', 'rotated'))).entries.reverse();

  beforeAll(async () => {
    dir = await tempDir('by-hand');
    cluster = await startCluster({ name: 'by-hand', controllers: false, unsafeNoFsync: true });
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'fresh')]));
    // Another signing key, and both public ones.
    await mkdir(join(dir, 'rotated'));
    await copyFile(join(dir, 'keys', 'recipients.txt'), join(dir, 'rotated', 'recipients.txt'));
    await copyFile(join(dir, 'fresh', 'signing.key'), join(dir, 'rotated', 'signing.key'));
    const [old, fresh] = await Promise.all(['keys', 'fresh'].map(name => readFile(join(dir, name, 'signing.pub'), 'utf8')));
    await writeFile(join(dir, 'rotated', 'signing.pub'), `${fresh}${old}`);
    // Of whoever may restore, and cannot sign.
    await mkdir(join(dir, 'public'));
    for (const name of ['recipients.txt', 'signing.pub']) await copyFile(join(dir, 'keys', name), join(dir, 'public', name));
    ok(await run('init'));
  });
  afterAll(async () => {
    await cluster?.destroy();
  });

  it('tells of the repository, of backups and restores, and who did it, as one chain', async () => {
    const set = await backup();
    ok(await run(`restore create ${set} --yes -q`));
    const told = await entries();
    expect(told.map(({ action, subject }) => [action, subject])).toEqual([
      ['repository.created', expect.stringMatching(/^[0-9a-f]{32}$/)],
      ['backup.completed', set],
      ['restore.started', set],
      ['restore.ended', set],
    ]);
    expect(new Set(told.map(({ actor }) => actor.via))).toEqual(new Set(['cli']));
    expect(told.at(-1)!.details).toMatchObject({ phase: 'Completed' });
    ok(await run('ledger verify'));
  });

  it('is not told by whoever has no signing key: that is said once, and nothing fails for it', async () => {
    await backup();
    const before = await entries();
    const restored = await run('restore create latest --yes', 'public');
    expect(restored.exit, restored.stderr).toBe(0);
    expect(restored.stderr.match(/the ledger is not told of this \(restore\.started 2\S+\): .*no signing key/g)).toHaveLength(1);
    expect(await entries()).toEqual(before);
  });

  it('tells once that sets are signed with another key than before, by hand as by a service, and both count', async () => {
    const changed = async () => (await entries()).filter(({ action }) => action === 'key.changed');
    const first = await backup();
    expect(await changed()).toEqual([]);
    const second = await backup('rotated');
    await backup('rotated');
    expect(await changed()).toMatchObject([{ actor: { via: 'cli' }, details: { since: second, before: { set: first } } }]);
    ok(await run('verify', 'rotated'));
    ok(await run('ledger verify', 'rotated'));
    expect((await run('ledger verify')).exit).toBe(4);

    const parts = { dir, name: 'by-hand', kubeconfig: cluster.kubeconfig, location: join(dir, 'repository'), keysDir: join(dir, 'all') };
    await mkdir(join(dir, 'all'));
    for (const name of ['recipients.txt', 'signing.pub']) await copyFile(join(dir, 'rotated', name), join(dir, 'all', name));
    await copyFile(join(dir, 'keys', 'signing.key'), join(dir, 'all', 'signing.key'));
    const service = await startServe({ ...parts, more: 'policies: {}\n' });
    await service.said('leading');
    const selection = { includeNamespaces: ['default'] };
    const started = (await (await service.send('POST', 'backups', { tier: 'back', selection })).json()) as { id: string };
    await waitFor(
      'the backup has ended',
      async () => (await service.get<{ phase: string }>(`operations/${started.id}`)).phase === 'Completed' || undefined,
      { timeoutMs: 60_000 },
    );
    service.signal('SIGTERM');
    expect(await service.exited).toBe(0);
    expect((await changed()).map(({ actor }) => actor)).toEqual([expect.objectContaining({ via: 'cli' }), { name: 'alice', via: 'api' }]);
  });
});

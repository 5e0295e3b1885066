import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { type ClusterGate, startClusterGate } from '../helpers/cluster-gate.ts';
import { holdfast, ok } from '../helpers/command.ts';
import { everyHourSoonAgo } from '../helpers/schedules.ts';
import { type Served, serveFrom, startServe, tokens } from '../helpers/serve-process.ts';

interface Operation {
  readonly id: string;
  readonly phase: string;
  readonly cluster: string;
  readonly summary?: { readonly set?: string };
}
interface BackupSet {
  readonly id: string;
  readonly phase: string;
  readonly fires: readonly { readonly policy: string; readonly tier: string; readonly at: string }[];
  readonly cluster: { readonly uid: string };
  readonly objects: number;
  readonly startedAt: string;
}
interface Plan {
  readonly digest: string;
  readonly decisions: readonly { readonly set: string; readonly action: string; readonly reasons: readonly string[] }[];
}

/** The same names and times in both; the second keeps its sets for less. */
const schedule = everyHourSoonAgo();
const policies = (keep: string) => `policies: {platform: {tiers: {hourly: {schedule: "${schedule}", keep: ${keep}}}}}\n`;
const patience = { timeoutMs: 120_000, intervalMs: 100 };
const hourMs = 3_600_000;

describe('two clusters with services of their own in one repository', () => {
  let dir: string;
  let clusters: TestCluster[];
  let gate: ClusterGate;
  let first: Served;
  let second: Served;
  const running: Served[] = [];
  let ofFirst: Operation;
  /** As the second saw it when its own was done. */
  let meanwhile: Operation;
  let taken: readonly BackupSet[];

  const location = () => join(dir, 'repository');
  const serve = async (name: string, kubeconfig: string, keep: string) => {
    const served = await startServe({
      ...{ dir, name, kubeconfig, location: location(), keysDir: join(dir, 'keys') },
      more: policies(keep),
    });
    running.push(served);
    return served;
  };
  const backups = async (served: Served) => (await served.get<{ items: Operation[] }>('operations?kind=backup')).items;
  const sets = async (served: Served) => (await served.get<{ items: BackupSet[] }>('backups')).items;
  const ended = (served: Served, id: string) =>
    waitFor(
      `${id} has ended`,
      async () => {
        const one = await served.get<Operation>(`operations/${id}`);
        return one.phase !== 'Running' && one.phase !== 'Pending' && one;
      },
      patience,
    );

  beforeAll(async () => {
    dir = await tempDir('two-clusters');
    clusters = [
      await startCluster({ name: 'one', controllers: false, unsafeNoFsync: true }),
      await startCluster({ name: 'other', controllers: false, unsafeNoFsync: true }),
    ];
    gate = await startClusterGate(clusters[0]!, dir);
    ok(await holdfast(['keys', 'generate', '--out', join(dir, 'keys')]));
    ok(await holdfast(['init', '--location', location(), '--keys-dir', join(dir, 'keys')]));

    gate.hold(({ url }) => url.startsWith('/api/v1/configmaps'));
    first = await serve('first', gate.kubeconfig, '30d');
    await waitFor('the backup of the first is in its middle', async () => gate.held > 0, patience);
    ofFirst = (await backups(first))[0]!;
    second = await serve('second', clusters[1]!.kubeconfig, '1h');
    const ofSecond = await waitFor(
      'the second has begun its own',
      async () => (await backups(second)).find(({ id }) => id !== ofFirst.id),
      patience,
    );
    await ended(second, ofSecond.id);
    meanwhile = await second.get<Operation>(`operations/${ofFirst.id}`);
    gate.open();
    await ended(first, ofFirst.id);
    taken = await waitFor(
      'the second sees the sets of both',
      async () => {
        const all = await sets(second);
        return all.length > 1 && all;
      },
      patience,
    );
  }, 300_000);
  afterAll(async () => {
    gate?.open();
    for (const served of running) {
      served.signal('SIGKILL');
      await served.exited;
    }
    await gate?.close();
    for (const cluster of clusters ?? []) await cluster.destroy();
  });

  it('take the same run once each, and neither takes up what the other is at', async () => {
    expect(meanwhile.phase).toBe('Running');
    const operations = await backups(second);
    expect(operations.map(({ phase }) => phase)).toEqual(['Completed', 'Completed']);
    expect(taken.map(({ phase }) => phase)).toEqual(['Completed', 'Completed']);
    expect(taken[0]!.fires).toHaveLength(1);
    expect(taken[0]!.fires).toEqual(taken[1]!.fires);
    const clustersOfSets = taken.map(({ cluster }) => cluster.uid).sort();
    expect(new Set(clustersOfSets).size).toBe(2);
    expect(operations.map(({ cluster }) => cluster).sort()).toEqual(clustersOfSets);
  });

  it('ask a person without a service which cluster is meant', async () => {
    const plan = (kubeconfig: string) =>
      holdfast(['retention', 'plan', '--location', location(), '--keys-dir', join(dir, 'keys'), '-o', 'json', '--kubeconfig', kubeconfig]);
    const { decisions } = JSON.parse(ok(await plan(clusters[0]!.kubeconfig)).stdout) as Plan;
    const isOfFirst = (id: string) => isOf(ofFirst.cluster)(taken.find(set => set.id === id)!);
    for (const { set, reasons } of decisions) expect(reasons[0]!.startsWith('of another cluster')).toBe(!isOfFirst(set));
    const refused = await plan(join(dir, 'nothing'));
    expect(refused.exit).not.toBe(0);
    expect(refused.stderr).toContain('sets of several clusters');
  });

  it.each(['backup describe', 'restore plan', 'verify'])(
    'refuse latest for %s, say what it may mean, and take whose is named',
    async command => {
      const [own, other] = [taken.find(set => !isOf(ofFirst.cluster)(set))!, taken.find(isOf(ofFirst.cluster))!];
      const identity = ['--identity', join(dir, 'keys', 'operator.identity')];
      const here = ['--location', location(), '--keys-dir', join(dir, 'keys'), '--kubeconfig', clusters[1]!.kubeconfig, ...identity];
      await writeFile(join(dir, 'alice'), tokens.alice);
      const there = ['--server', second.url, '--token-file', join(dir, 'alice'), ...identity];
      for (const where of [here, there]) {
        const run = (...more: string[]) => holdfast([...command.split(' '), ...more, '-o', 'json', ...where]);
        const refused = await run('latest');
        expect(refused.exit).toBe(2);
        const error = JSON.parse(refused.stdout.trim().split('\n').at(-1)!) as {
          code: string;
          message: string;
          hint: string;
          commands: string[];
        };
        expect(error.code).toBe('BACKUP_AMBIGUOUS');
        for (const { id, objects, startedAt, cluster } of [own, other]) {
          expect(error.message).toMatch(
            new RegExp(`${id} \\(a whole cluster, ${objects} objects, begun ${startedAt}, of the cluster ${cluster.uid}`),
          );
          expect(error.hint).toContain(`--cluster ${cluster.uid}`);
          expect(error.commands.join('\n')).toContain(`holdfast ${command} ${id} -o json`);
        }
        const shown = async (cluster: string) => {
          const { stdout, stderr } = await run('latest', '--cluster', cluster);
          expect(stderr).not.toContain('error:');
          return [own, other].filter(({ id }) => stdout.includes(id)).map(({ id }) => id);
        };
        expect(await shown('own')).toEqual([own.id]);
        expect(await shown(own.cluster.uid.slice(0, 8))).toEqual([own.id]);
        expect(await shown(other.cluster.uid)).toEqual([other.id]);
        const unknown = await run('latest', '--cluster', '00000000-0000-0000-0000-000000000000');
        expect([unknown.exit, unknown.stdout]).toEqual([10, expect.stringContaining('BACKUP_NOT_FOUND')]);
      }
    },
  );

  it('hold and release the backup of the cluster that is named, by its id too only if it is of that one', async () => {
    const own = taken.find(set => !isOf(ofFirst.cluster)(set))!;
    const other = taken.find(isOf(ofFirst.cluster))!;
    const run = (line: string) =>
      holdfast([...line.split(' '), '--location', location(), '--keys-dir', join(dir, 'keys'), '--kubeconfig', clusters[1]!.kubeconfig]);
    expect(ok(await run('hold latest --cluster own --reason audit -o name')).stdout.trim()).toBe(own.id);
    expect(ok(await run('release latest --cluster own --reason over -o name')).stdout.trim()).toBe(own.id);
    expect((await run(`hold ${other.id} --cluster own --reason audit`)).exit).toBe(10);
  });

  it('delete what is their own, and nothing of the other', async () => {
    second.signal('SIGTERM');
    await second.exited;
    // Two days on, when all has had its time by the rules of the second, and it takes another one.
    second = await serveFrom({ name: 'second-later', configFile: second.configFile, aheadMs: 48 * hourMs });
    running.push(second);
    await waitFor('the second has caught up', async () => (await sets(second)).length > taken.length, patience);
    const plan = await second.get<Plan>('retention/plan');
    const [theirs, own] = [taken.filter(isOf(ofFirst.cluster)), taken.filter(set => !isOf(ofFirst.cluster)(set))];
    for (const { id } of theirs) {
      expect(plan.decisions.find(({ set }) => set === id)?.reasons).toEqual([`of another cluster (${ofFirst.cluster})`]);
    }
    expect(plan.decisions.filter(({ action }) => action === 'delete').map(({ set }) => set)).toEqual(own.map(({ id }) => id));
    const started = await second.send('POST', 'retention/runs', { confirm: plan.digest });
    expect(started.status).toBe(202);
    expect(await ended(second, ((await started.json()) as Operation).id)).toMatchObject({ phase: 'Completed' });
    const left = (await sets(second)).map(({ id }) => id);
    expect(left).toEqual(expect.arrayContaining(theirs.map(({ id }) => id)));
    for (const { id } of own) expect(left).not.toContain(id);
  });
});

function isOf(uid: string): (set: BackupSet) => boolean {
  return ({ cluster }) => cluster.uid === uid;
}

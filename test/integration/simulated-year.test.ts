import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { defaultPolicyMap } from '../../src/config/default-policy.ts';
import { PolicyMap, policiesFrom } from '../../src/config/policy-schema.ts';
import { stringAt } from '../../src/domain/json.ts';
import type { LedgerEntry } from '../../src/domain/ledger.ts';
import { isEnded } from '../../src/domain/operation.ts';
import type { Fire } from '../../src/domain/policy.ts';
import { setTime } from '../../src/domain/set-id.ts';
import type { ReadableSet } from '../../src/repository/catalog.ts';
import { verifyLedger } from '../../src/repository/ledger-verify.ts';
import { verifyRepository } from '../../src/repository/verify.ts';
import type { MissedFire } from '../../src/schedule/due.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { connect, type OpenLocation } from '../helpers/journey.ts';
import { getObject, kindOf } from '../helpers/restore.ts';
import { leapingClock } from '../helpers/serve-clock.ts';
import { beginLife, type Life, openYearRepository, type Trouble } from '../helpers/serve-life.ts';

const start = new Date('2025-10-29T10:00:00Z');
const end = new Date('2026-12-03T05:00:00Z');
const dayMs = 86_400_000;

/** The default policy; of the cluster it takes one namespace, so that four hundred backups take seconds. */
const policies = policiesFrom(
  PolicyMap.parse({
    platform: { ...defaultPolicyMap.platform, selection: { includeNamespaces: ['default'], includeKinds: ['configmaps', 'secrets'] } },
  }),
);

const caller = { actor: { name: 'alice', via: 'api' as const } };

/**
 * The service with the real cluster, repository and file system, more than a year of it. Only the clock is not real: it leaps to the next
 * moment at which something may be due.
 */
describe('a year of the default policy', () => {
  const clock = leapingClock(start);
  const trouble: Trouble = { storeAway: false, clusterAway: false, onPut: () => {} };
  const written = new Map<string, Date>();
  const missed: MissedFire[] = [];
  let cluster: TestCluster;
  let api: ClusterApi;
  let clusterId: string;
  let location: OpenLocation;
  let life: Life;
  let sets: ReadableSet[];
  let told: LedgerEntry[];
  let held: string;
  let released: string;
  let upgrade: string;
  let caughtUp: readonly string[];

  const begin = async () => {
    life = await beginLife({
      clock,
      location,
      cluster: api,
      clusterId,
      policies,
      trouble,
      written,
      onMissed: one => void missed.push(one),
    });
  };
  /** In trouble the clock goes step by step. */
  const next = (now: Date): Date => {
    if (trouble.storeAway || trouble.clusterAway) return new Date(now.getTime() + 10 * 60_000);
    const midnight = now.getTime() - (now.getTime() % dayMs);
    const moments = [2, 4.5, 26].map(hours => midnight + hours * 3_600_000);
    return new Date(moments.find(at => at > now.getTime())!);
  };
  const until = (text: string) => clock.runUntil(new Date(text), next);
  const down = async (from: string, to: string) => {
    await until(from);
    await life.stop();
    await until(to);
    await begin();
  };
  const away = async (what: 'storeAway' | 'clusterAway', from: string, to: string) => {
    await until(from);
    trouble[what] = true;
    await until(to);
    trouble[what] = false;
    await clock.runUntil(new Date(clock.now().getTime() + 3_600_000), now => new Date(now.getTime() + 60_000));
  };
  /** Killed right after a key of this form was written. */
  const killed = async (from: string, form: RegExp, to: string) => {
    await until(from);
    let done = false;
    trouble.onPut = key => {
      if (!form.test(key)) return;
      trouble.onPut = () => {};
      life.kill();
      done = true;
    };
    await until(to);
    expect(done, `something like ${form} was written`).toBe(true);
    await begin();
  };
  const hold = async (day: string): Promise<string> => {
    const set = life.world.catalog.sets().find(({ startedAt }) => startedAt.startsWith(day))!;
    await life.service.retention.hold({ set: set.id }, 'audit', caller, AbortSignal.timeout(60_000));
    return set.id;
  };

  beforeAll(async () => {
    cluster = await startCluster({ name: 'year', controllers: false, unsafeNoFsync: true });
    api = await connect(cluster);
    for (const name of ['settings', 'limits']) {
      await api.create(
        kindOf('configmaps/v1 ConfigMap'),
        'default',
        JSON.stringify({ metadata: { name }, data: { text: name.repeat(50) } }),
      );
    }
    const system = await getObject(api, kindOf('namespaces/v1 Namespace', false), '', 'kube-system');
    clusterId = stringAt(system, 'metadata', 'uid')!;
    location = await openYearRepository(clock.now);
    await begin();
    await year();
    sets = life.world.catalog.sets().filter(set => set.phase !== 'Unreadable');
    told = await life.world.ledger.read({ limit: 100_000 });
  }, 1_200_000);
  afterAll(async () => {
    await life?.stop();
    await api?.close();
    await cluster?.destroy();
    await location?.remove();
  });

  async function year(): Promise<void> {
    // Down for days, and begun again while the run of the night can still be caught up.
    await down('2025-12-24T12:00:00Z', '2025-12-29T05:00:00Z');
    await until('2025-12-29T05:10:00Z');
    const retention = await life.world.operations.list({ kind: 'retention', limit: 3 });
    caughtUp = retention.map(({ startedAt = '' }) => startedAt.slice(0, 13));
    await until('2026-01-10T12:00:00Z');
    held = await hold('2026-01-07');
    released = await hold('2026-01-08');
    await down('2026-02-28T20:00:00Z', '2026-03-01T06:30:00Z');
    await until('2026-03-10T12:00:00Z');
    const asked = { kind: 'backup' as const, tier: 'before-upgrade' };
    const { request } = await life.service.operations.start(asked, caller, { signal: AbortSignal.timeout(60_000) });
    await until('2026-03-10T12:10:00Z');
    upgrade = String((await life.world.operations.get(request.id))?.result?.summary['set']);
    // Begun again when it is too late for the daily run of the night, and not for the monthly.
    await down('2026-04-30T20:00:00Z', '2026-05-01T12:00:00Z');
    // And once more, while the run of the night is still the newest that was given up.
    await down('2026-05-01T16:00:00Z', '2026-05-01T18:00:00Z');
    await until('2026-06-01T12:00:00Z');
    await life.service.retention.release({ set: released }, 'the audit is over', caller, AbortSignal.timeout(60_000));
    await away('storeAway', '2026-06-10T01:30:00Z', '2026-06-10T05:00:00Z');
    await away('storeAway', '2026-06-20T01:00:00Z', '2026-06-20T11:00:00Z');
    await away('clusterAway', '2026-07-04T01:00:00Z', '2026-07-04T03:00:00Z');
    await killed('2026-08-01T20:00:00Z', /^backups\/.*\/resources-/, '2026-08-02T02:06:00Z');
    await killed('2026-08-15T20:00:00Z', /^schedule\//, '2026-08-16T02:06:00Z');
    // Into the night of a day that comes in four weeks, through its retention, and back.
    await until('2026-09-15T15:00:00Z');
    clock.put(new Date('2026-10-12T03:00:00Z'));
    await until('2026-10-12T05:00:00Z');
    clock.put(new Date('2026-09-15T17:00:00Z'));
    await until(end.toISOString());
  }

  it('has taken one set for each fire, but for those that could not be run', () => {
    const taken = told.filter(({ action }) => action === 'backup.completed').flatMap(({ details }) => details['fires'] as Fire[]);
    const names = taken.map(nameOf).sort();
    expect(names).toEqual([...new Set(names)]);
    expect(names).toEqual(expectedFires().sort());
  });

  it('has told of each run that was given up, once, whatever restarted meanwhile, and the ledger too', () => {
    expect(missed.map(({ fire }) => nameOf(fire))).toEqual(['2026-05-01T02:00 daily', '2026-06-20T02:00 daily']);
    expect(told.filter(({ action }) => action === 'schedule.missed').map(({ subject, details }) => [subject, details['at']])).toEqual([
      ['platform/daily', '2026-06-20T02:00:00.000Z'],
      ['platform/daily', '2026-05-01T02:00:00.000Z'],
    ]);
  });

  it('has made up, once, for the retention that was due while it was down', () => {
    expect(caughtUp).toEqual(['2025-12-29T05', '2025-12-24T04', '2025-12-23T04']);
  });

  it('keeps what the tiers promise, what is held and what was asked for, and nothing else', () => {
    const taken = told.filter(({ action }) => action === 'backup.completed');
    const kept = taken.filter(
      ({ subject, details }) => [held, upgrade].includes(subject) || isPromised(subject, details['fires'] as Fire[]),
    );
    expect(sets.map(({ id }) => id)).toEqual(kept.map(({ subject }) => subject).sort());
    expect(sets.length).toBeGreaterThan(45);
    expect(sets.map(({ phase }) => phase)).not.toContain('PartiallyFailed');
  });

  it('has every set as it was written', async () => {
    const { identity, repository, signingPublicKey } = location;
    const report = await verifyRepository(repository, { identities: [identity], trusted: [signingPublicKey] });
    expect(report.sets.map(({ id }) => id).sort()).toEqual(sets.map(({ id }) => id));
    expect(report.sets.filter(({ state }) => state !== 'verified')).toEqual([]);
  });

  it('has a ledger of one chain that names every set that was ever there, and every deletion', async () => {
    const { repository, signingPublicKey } = location;
    expect(await verifyLedger(repository, { trusted: [signingPublicKey] })).toMatchObject({ ok: true, problems: [], entries: told.length });
    const subjects = (action: string) => told.filter(entry => entry.action === action).map(({ subject }) => subject);
    const deleted = new Set(subjects('set.deleted'));
    expect(
      subjects('backup.completed')
        .filter(id => !deleted.has(id))
        .sort(),
    ).toEqual(sets.map(({ id }) => id));
    // The rest of the run that was killed half-way.
    expect([...deleted].filter(id => !subjects('backup.completed').includes(id))).toEqual([expect.stringMatching(/^20260802T020/)]);
  });

  it('has no operation that looks unfinished, and none that is older than they are kept', async () => {
    const operations = await life.world.operations.list({ limit: 10_000 });
    expect(operations.filter(({ phase }) => !isEnded(phase))).toEqual([]);
    expect(operations.length).toBeGreaterThan(170);
    const oldest = operations.at(-1)!.request.createdAt;
    expect(end.getTime() - Date.parse(oldest)).toBeLessThan(92 * dayMs);
  });
});

function nameOf({ tier, at }: Fire): string {
  return `${new Date(at).toISOString().slice(0, 16)} ${tier}`;
}

/** By days alone: daily, weekly on Sundays, monthly on the first, and the very first set; of a day that was missed what comes seldom is made up for. */
function expectedFires(): string[] {
  const gone = ['2025-12-25', '2025-12-26', '2025-12-27', '2025-12-28', '2026-05-01', '2026-06-20'];
  const fires = ['2025-10-29T10:00 daily'];
  for (let day = Date.parse('2025-10-30T02:00:00Z'); day < end.getTime(); day += dayMs) {
    const at = new Date(day);
    const isGone = gone.includes(at.toISOString().slice(0, 10));
    const tiers = [
      ...(isGone ? [] : ['daily']),
      ...(at.getUTCDay() === 0 ? ['weekly'] : []),
      ...(at.getUTCDate() === 1 ? ['monthly'] : []),
    ];
    fires.push(...tiers.map(tier => nameOf({ policy: 'platform', tier, at: at.toISOString() })));
  }
  return fires;
}

/** The rules of the default policy once more, in the plainest words. Retention was last run half an hour before the end. */
function isPromised(id: string, fires: readonly Fire[] = []): boolean {
  const taken = setTime(id)!;
  const last = end.getTime() - dayMs / 48;
  const tiers = fires.map(({ tier }) => tier);
  const inTwelveMonths = Date.UTC(taken.getUTCFullYear() + 1, taken.getUTCMonth(), taken.getUTCDate(), 2);
  return (
    (tiers.includes('daily') && taken.getTime() + 30 * dayMs > last) ||
    (tiers.includes('weekly') && taken.getTime() + 84 * dayMs > last) ||
    (tiers.includes('monthly') && inTwelveMonths > last) ||
    (tiers.includes('monthly') && ['2025-12', '2026-12'].includes(taken.toISOString().slice(0, 7)))
  );
}

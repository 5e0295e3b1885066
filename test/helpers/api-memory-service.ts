import type { Refusal, Service, ServiceEvent, Work } from '../../src/api/service.ts';
import type { IndexEntry, Manifest } from '../../src/domain/backup-set.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import type { LedgerEntry } from '../../src/domain/ledger.ts';
import { scopeContains, selectionCovers, selectionReaches } from '../../src/domain/namespace-scope.ts';
import type { Policy } from '../../src/domain/policy.ts';
import { noActions } from '../../src/domain/restore-plan.ts';
import type { Runtime } from '../../src/domain/runtime.ts';
import { everything, type Selection } from '../../src/domain/selection.ts';
import type { Orphan } from '../../src/domain/volume-upkeep.ts';
import type { Hold } from '../../src/repository/holds.ts';
import type { RetentionPlan } from '../../src/schedule/retention.ts';
import { createMemoryOperations, type MemoryOperations, pageOf } from './api-operations.ts';
import { manifestOf, summaryOf } from './api-sets.ts';
import { testRuntime } from './runtime.ts';

export const platformPolicy: Policy = {
  name: 'platform',
  tiers: [
    {
      name: 'daily',
      keep: { count: 30, unit: 'day' },
      schedule: '0 2 * * *',
      timeZone: 'UTC',
      scope: {
        ...{ selection: everything, parts: ['resources'] },
        hooks: [{ namespaces: [], labelSelector: '', quiesce: ['a-secret-word'], thaw: [], onError: 'fail' }],
      },
      suspend: false,
      startingDeadlineMs: 3_600_000,
      jitterMs: 0,
      objectives: { rpoMs: 86_400_000 },
    },
    { name: 'yearly', keep: { count: 7, unit: 'year' }, promote: { from: 'daily', lastOf: 'year' } },
  ],
  objectives: { rpoMs: 86_400_000 },
  suspend: false,
  initialBackup: true,
};

export interface MemoryService extends Service {
  readonly operations: MemoryOperations;
  readonly refusals: Refusal[];
  readonly released: { readonly set: string; readonly reason: string }[];
  readonly sets: Manifest[];
  emit(event: ServiceEvent): void;
  ready: boolean;
  /** What the next calls fail with. */
  failure: Error | undefined;
}

const digest = 'd'.repeat(64);

/** The port of the API in memory: it keeps its promises, and every answer depends on what was asked before. */
export function createMemoryService(options: { readonly sets?: readonly Manifest[]; readonly runtime?: Runtime } = {}): MemoryService {
  const runtime = options.runtime ?? testRuntime;
  const sets = [...(options.sets ?? ['20261121T020000Z-daily-aaaa', '20261122T020000Z-daily-bbbb'].map(id => manifestOf({ id })))];
  const listeners = new Set<(event: ServiceEvent) => void>();
  const holds = new Map<string, Hold>();
  const released: { readonly set: string; readonly reason: string }[] = [];
  const emit = (event: ServiceEvent): void => {
    for (const listener of listeners) listener(event);
  };
  const now = () => runtime.now().toISOString();

  /** `own` is the cluster of every set here. */
  const resolve = (text: string, wanted: Selection = everything, cluster = 'own'): Manifest => {
    if (service.failure !== undefined) throw service.failure;
    const stamp = text.replaceAll('-', '').slice(0, 8);
    const found = sets.filter(
      ({ id }) => text === 'latest' || id.startsWith(text) || (/^\d{4}-\d\d-\d\d$/.test(text) && id.slice(0, 8) <= stamp),
    );
    const last = found.findLast(
      ({ selection, cluster: { uid } }) =>
        (wanted.includeNamespaces.length === 0 || selectionCovers(selection, wanted)) && (cluster === 'own' || uid.startsWith(cluster)),
    );
    if (last === undefined) throw new HoldfastError('BACKUP_NOT_FOUND', `there is no backup ${text}`);
    return last;
  };
  const check = (work: Work): void => {
    if (service.failure !== undefined) throw service.failure;
    if (work.kind === 'retention' && work.plan !== digest) throw new HoldfastError('PLAN_CHANGED', 'the plan is another one now');
    if (work.kind === 'backup' && (work.policy ?? 'platform') !== 'platform') {
      throw new HoldfastError('POLICY_NOT_FOUND', `there is no policy ${work.policy}`);
    }
    if ('set' in work && work.set !== 'all') resolve(work.set, everything, 'cluster' in work ? work.cluster : undefined);
    if (work.kind === 'delete' && holds.has(work.set)) throw new HoldfastError('BACKUP_HELD', `${work.set} is held`);
  };
  const plan = (): RetentionPlan => ({
    at: now(),
    digest,
    decisions: sets.map(({ id }) => ({ set: id, action: 'keep', reasons: holds.has(id) ? ['held'] : ['daily: younger than 30 days'] })),
    beyondLimit: false,
    notices: [],
  });

  const service: MemoryService = {
    version: '0.0.0-test',
    ready: true,
    failure: undefined,
    refusals: [],
    released,
    sets,
    emit,
    operations: createMemoryOperations({ runtime, emit, check }),
    backups: {
      list: async query => {
        if (service.failure !== undefined) throw service.failure;
        const { tier, phase, policy, within } = query;
        const wanted = sets.filter(
          set =>
            (tier === undefined || set.tier === tier) &&
            (phase === undefined || set.phase === phase) &&
            (policy === undefined || (set.fires ?? []).some(fire => fire.policy === policy)) &&
            (within === undefined || selectionReaches(set.selection, within)),
        );
        return pageOf(wanted.map(summaryOf), ({ id }) => id, query);
      },
      get: async (text, { wanted, cluster }) => {
        const manifest = resolve(text, wanted, cluster);
        const hold = holds.get(manifest.id);
        return {
          ...{ summary: summaryOf(manifest), manifest, signature: { keyId: 'SHA256:beef', verified: true } },
          ...(hold !== undefined && { hold }),
          retention: { reasons: ['daily: younger than 30 days'] },
        };
      },
      objects: async (text, { from, limit, within, cluster }) => {
        const { id } = resolve(text, everything, cluster);
        const all = Array.from({ length: objectsOfASet }, (_, n) => entryOf(id, n));
        return all.filter(({ namespace }) => within === undefined || scopeContains(within, namespace)).slice(from, from + limit);
      },
    },
    retention: {
      plan: async () => plan(),
      planDeletion: async (set, without) => {
        const { id, phase, startedAt, tier, cluster, objects } = resolve(set);
        const facts = { phase, startedAt, tier, cluster: cluster.server, objects, files: 3, storedBytes: 150, volumes: [], warnings: [] };
        const isLast = sets.every(other => other.id === id || without.includes(other.id));
        const refusal = { code: 'BACKUP_NEEDED', message: `${id} is the last one`, hint: 'take another' } as const;
        return { set: id, ...facts, keptBy: ['daily: younger than 30 days'], ...(isLast && { refusal }) };
      },
      holds: async () => [...holds.values()],
      hold: async ({ set, cluster }, reason, { actor }) => {
        resolve(set, everything, cluster);
        const hold = holds.get(set) ?? { set, reason, by: actor.name, at: now() };
        holds.set(set, hold);
        return hold;
      },
      release: async ({ set }, reason) => {
        released.push({ set, reason });
        if (!holds.delete(set)) throw new HoldfastError('HOLD_NOT_FOUND', `${set} is not held`);
      },
    },
    volumes: {
      files: async ({ set, cluster, path, from, most }) => {
        resolve(set, everything, cluster);
        const file = { type: 'file', size: 2, mode: '-rw-r--r--', uid: 0, gid: 0, modified: '2026-11-20T10:00:00Z' } as const;
        return Array.from({ length: 3 }, (_, i) => ({ ...file, path: `${path === '/' ? '' : path}/file-${i}` })).slice(from, from + most);
      },
      orphans: async () => ({ orphans, notices: [] }),
      removeOrphans: async () => ({ removed: orphans.map(orphan => ({ orphan, removed: true, reason: '' })), notices: [] }),
    },
    planRestore: async ({ set, cluster: whose, options: { existing, namespaceMapping }, identity }) => {
      const { id, cluster } = resolve(set, everything, whose);
      if (identity === undefined) throw new HoldfastError('IDENTITY_MISSING', `${id} is sealed, and no identity was given`);
      const totals = { ...noActions(), create: 2 };
      return { backup: id, server: cluster.server, existing, namespaceMapping, steps: [], totals, volumes: [], problems: [], digest };
    },
    policies: () => [platformPolicy],
    objectives: async () => [
      {
        policy: 'platform',
        tier: 'daily',
        objectives: { rpoMs: 86_400_000 },
        state: 'met',
        message: 'the newest set is 2 h old',
        notProtected: [],
      },
    ],
    ledger: async query => pageOf(ledgerOf(service.refusals), ({ seq }) => String(seq), query),
    verifyLedger: async expected => ({
      ok: expected === undefined || expected.seq <= service.refusals.length,
      entries: service.refusals.length,
      head: { seq: service.refusals.length, sha256: digest },
      problems: [],
      notices: [],
    }),
    subscribe: listener => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    refused: refusal => void service.refusals.push(refusal),
    readiness: () => [{ name: 'repository', ok: service.ready }],
  };
  return service;
}

export const objectsOfASet = 7;

const orphans: readonly Orphan[] = [
  {
    ...{
      kind: 'persistentvolumeclaims',
      namespace: 'holdfast',
      name: 'holdfast-restore-1',
      role: 'restore',
      work: 'set',
      claim: 'team-a/data',
    },
    ...{ ageMs: 90_000_000, reason: 'a temporary claim of a restore that has ended' },
  },
];

/** Every other one in `team-a`, the rest in `team-b`. */
function entryOf(set: string, n: number): IndexEntry {
  const facts = {
    group: '',
    version: 'v1',
    resource: 'configmaps',
    kind: 'ConfigMap',
    uid: `uid-${n}`,
    digest: `sha256:${digest}`,
    size: 10 + n,
  };
  return { ...facts, namespace: n % 2 === 0 ? 'team-a' : 'team-b', name: `${set.slice(0, 8)}-${n}`, shard: 'resources-0001.tar.zst.age' };
}

function ledgerOf(refusals: readonly Refusal[]): LedgerEntry[] {
  return refusals.map((refusal, index) => ({
    formatVersion: 1,
    seq: index + 1,
    at: '2026-11-23T00:00:00.000Z',
    action: 'request.refused',
    actor: refusal.actor,
    subject: refusal.request,
    details: { code: refusal.code, reason: refusal.reason, count: refusal.count },
    previous: '0'.repeat(64),
    repository: '0123456789abcdef0123456789abcdef',
  }));
}

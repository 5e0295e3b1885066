import * as z from 'zod';
import { scopeContains } from '../../domain/namespace-scope.ts';
import { volumeCaptures } from '../../domain/policy.ts';
import type { ReadableSet, SetSummary } from '../../repository/catalog.ts';
import type { BackupDetails, Caller } from '../service.ts';
import { count, selection, sha256, time } from './common.ts';
import { volume } from './volume.ts';

const failure = { code: z.string(), message: z.string() };
const fire = z.object({ policy: z.string(), tier: z.string(), at: time });
const part = z.object({ part: z.string(), state: z.enum(['protected', 'not-protected']), reason: z.string() });
const problem = z.object({ item: z.string(), ...failure });
const cluster = z.object({ uid: z.string(), version: z.string(), server: z.string() });
const consistency = z.enum(['instant', 'per-kind']);
const wholeCluster = 'for callers of the whole cluster, and for others where the set was taken of their namespaces alone';

const readable = {
  id: z.string(),
  startedAt: time,
  phase: z.enum(['Completed', 'PartiallyFailed']),
  tier: z.string(),
  fires: z.array(fire).describe('the scheduled runs that it is the result of'),
  asked: z.array(z.string()).exactOptional().describe('parts that it was to have; absent where nothing but resources was asked for'),
  notProtected: z.array(z.string()).describe('parts that its tier asks for and that it has not'),
  finishedAt: time,
  consistency,
  revision: z.string().exactOptional(),
  objects: count.exactOptional().describe(wholeCluster),
  bytes: count.exactOptional().describe(`of JSON; ${wholeCluster}`),
  storedBytes: count.exactOptional().describe(wholeCluster),
  problems: count.exactOptional().describe(wholeCluster),
  cluster: cluster.exactOptional().describe(wholeCluster),
  selection: selection.exactOptional().describe(wholeCluster),
};
const unreadable = { id: z.string(), startedAt: z.string(), phase: z.literal('Unreadable'), error: z.object(failure) };

export const backupSummary = z.discriminatedUnion('phase', [z.object(readable), z.object(unreadable)]).meta({ id: 'BackupSummary' });
export type BackupSummaryView = z.output<typeof backupSummary>;

const manifest = z
  .object({
    formatVersion: z.literal(1),
    id: z.string(),
    repository: z.string(),
    phase: z.enum(['Completed', 'PartiallyFailed']),
    tier: z.string(),
    fires: z.array(fire).exactOptional(),
    parts: z.array(part).exactOptional(),
    startedAt: time,
    finishedAt: time,
    producer: z.object({ name: z.string(), version: z.string() }),
    cluster,
    consistency,
    revision: z.string().exactOptional(),
    selection,
    kinds: z.array(
      z.object({
        group: z.string(),
        version: z.string(),
        resource: z.string(),
        kind: z.string(),
        namespaced: z.boolean(),
        count,
        bytes: count,
        revision: z.string(),
        consistency,
        attempt: count.exactOptional(),
        error: z.object(failure).exactOptional(),
      }),
    ),
    objects: count,
    bytes: count,
    excluded: z.array(z.object({ what: z.string(), reason: z.string(), count: count.exactOptional() })),
    problems: z.array(problem),
    volumes: z.array(volume),
    shards: z.array(
      z.object({ name: z.string(), class: z.enum(['resources', 'secrets']), bytes: count, tarBytes: count, entries: count, sha256 }),
    ),
    index: z.array(z.object({ name: z.string(), bytes: count, lines: count, sha256 })),
    encryption: z.object({ scheme: z.enum(['age', 'none']), recipients: z.array(z.string()), indexSealed: z.boolean() }),
  })
  .describe('As docs/format.md describes it.')
  .meta({ id: 'Manifest' });

export const volumeCapture = z
  .enum(volumeCaptures)
  .describe('`snapshots` of volumes in the cluster, or also their `data` in the repository; what the tier says unless told');

export const indexEntry = z
  .object({
    group: z.string(),
    version: z.string(),
    resource: z.string(),
    kind: z.string(),
    namespace: z.string().describe('empty for cluster-scoped objects'),
    name: z.string(),
    uid: z.string(),
    owners: z.array(z.string()).exactOptional(),
    digest: z.string().describe('of its JSON; keyed for Secrets'),
    size: count.describe('bytes of JSON'),
    shard: z.string(),
    attempt: count.exactOptional(),
    fix: z.literal(true).exactOptional(),
  })
  .meta({ id: 'IndexEntry' });

export const hold = z.object({ set: z.string(), reason: z.string(), by: z.string(), at: time }).meta({ id: 'Hold' });

export const backup = z
  .object({
    ...readable,
    parts: z.array(part),
    volumes: z.array(volume),
    failures: z.array(problem).describe('what could not be captured, and why'),
    sealed: z.boolean().describe('opening it takes an identity'),
    signature: z.object({ keyId: z.string(), verified: z.boolean().describe('signed with a key that the service trusts') }),
    hold: hold.exactOptional(),
    retention: z.object({ expiresAt: time.exactOptional(), reasons: z.array(z.string()) }).exactOptional(),
    manifest: manifest.exactOptional().describe(wholeCluster),
  })
  .meta({ id: 'Backup' });
export type BackupView = z.output<typeof backup>;

/** A set of the list, without the figures of the whole cluster where the caller is restricted to namespaces. */
export function summaryView(summary: SetSummary, caller: Caller) {
  if (summary.phase === 'Unreadable' || seesAllOf(summary, caller)) return summary;
  const { objects: _o, bytes: _b, storedBytes: _s, problems: _p, cluster: _c, selection: _selection, ...visible } = summary;
  return visible;
}

/** A set of nothing but the caller's own namespaces has no secrets from the caller. */
function seesAllOf({ selection: taken }: Pick<ReadableSet, 'selection'>, { namespaces }: Caller): boolean {
  if (namespaces === undefined) return true;
  const { includeNamespaces: included, clusterScoped } = taken;
  return clusterScoped !== 'always' && included.length > 0 && included.every(one => scopeContains(namespaces, one));
}

/**
 * A set as its caller may see it: to one restricted to namespaces it is what lies in these. Reasons, of parts and of what keeps the set, name
 * claims and people that are not the caller’s.
 */
export function backupView({ summary, manifest: full, signature, hold: held, retention }: BackupDetails, caller: Caller) {
  const { namespaces } = caller;
  const seesAll = seesAllOf(full, caller);
  const sees = (namespace: string) => namespaces === undefined || scopeContains(namespaces, namespace);
  return {
    ...(summaryView(summary, caller) as Exclude<ReturnType<typeof summaryView>, { phase: 'Unreadable' }>),
    parts: (full.parts ?? []).map(one => (seesAll ? one : { ...one, reason: '' })),
    volumes: full.volumes.filter(volumeRecord => sees(volumeRecord.namespace)),
    failures: full.problems.filter(({ item }) => sees(/ ([^ /]+)\//.exec(item)?.[1] ?? '')),
    sealed: full.encryption.scheme === 'age',
    signature,
    ...(held !== undefined && seesAll && { hold: held }),
    ...(retention !== undefined && { retention: seesAll ? retention : { ...retention, reasons: [] } }),
    ...(seesAll && { manifest: full }),
  };
}

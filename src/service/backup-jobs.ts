import type { Work as AskedWork, Caller } from '../api/service.ts';
import { runBackup } from '../backup/run.ts';
import { publicKeyOf, signingKeyId } from '../crypto/signing.ts';
import { countBackup } from '../domain/backup-counts.ts';
import type { BackupOutcome, Manifest, PartRecord } from '../domain/backup-set.ts';
import { isSameCluster } from '../domain/cluster-identity.ts';
import { type ErrorCode, errorTable, HoldfastError } from '../domain/errors.ts';
import type { LedgerAction } from '../domain/ledger.ts';
import type { Actor, OperationRequest } from '../domain/operation.ts';
import { type Fire, isScheduled, type Part, type Policy, partsWith, type Scope, volumesAmong } from '../domain/policy.ts';
import { everything } from '../domain/selection.ts';
import { countFailures, countVolumes, type VolumeCounts } from '../domain/volume-counts.ts';
import type { WorkContext, WorkResult } from '../operations/job.ts';
import type { SetSummary } from '../repository/catalog.ts';
import { commitDemanded, giveUpDemand } from '../repository/demand-claim.ts';
import { keyChange } from '../repository/key-change.ts';
import { commitClaimed } from '../repository/run-claim.ts';
import type { DueRun } from '../schedule/coalesce.ts';
import type { Prepared } from './job.ts';
import { recordEnd } from './told-ends.ts';
import { tellOfSet } from './untold.ts';
import { currentTerm, record, type World } from './world.ts';

/** Of parts that are no part of this version: a set says so, instead of leaving it to be found out. */
const notBuilt = {
  artifacts: 'this version mirrors no artifact repository',
  offsiteCopy: 'this version makes no copies: keep the location itself off site, or replicate its bucket',
} as const satisfies Partial<Record<Part, string>>;

interface Wanted extends Scope {
  readonly tier: string;
  readonly fires: readonly Fire[];
  readonly actor: Actor;
}

/** What the scheduler found due. */
export function scheduledBackup(world: World, run: DueRun): Prepared {
  const actor: Actor = { name: 'schedule', via: 'schedule' };
  const { tier, fires, scope, policy, attempt } = run;
  return {
    submission: {
      ...{ kind: 'backup', subject: `${policy}/${tier}`, actor, lane: `backup ${policy}` },
      parameters: { policy, tier, fires, attempt, parts: scope.parts },
    },
    work: context => takeBackup(world, { ...scope, tier, fires, actor }, context),
  };
}

/** What somebody asked for. POLICY_NOT_FOUND. */
export function demandedBackup(world: World, asked: Extract<AskedWork, { kind: 'backup' }>, caller: Caller): Prepared {
  const { policies, manual } = world.rules();
  const scope = scopeOf(policies, asked, manual);
  const tier = asked.tier ?? 'manual';
  const selection = asked.selection ?? scope.selection;
  const { policy, volumes } = asked;
  const parts = volumes === undefined ? scope.parts : partsWith(scope.parts, volumes);
  return {
    submission: {
      ...{
        kind: 'backup',
        subject: policy === undefined ? tier : `${policy}/${tier}`,
        actor: caller.actor,
        lane: `backup ${policy ?? ''}`,
      },
      parameters: { ...(policy !== undefined && { policy }), tier, selection, parts },
      ...(caller.namespaces !== undefined && { namespaces: caller.namespaces }),
    },
    work: context => takeBackup(world, { ...scope, tier, selection, parts, fires: [], actor: caller.actor }, context),
  };
}

function scopeOf(
  policies: readonly Policy[],
  { policy: name, tier }: { readonly policy?: string; readonly tier?: string },
  manual: Scope = { selection: everything, parts: ['resources'] },
): Scope {
  if (name === undefined) {
    const found = tier === undefined ? undefined : policies.flatMap(policy => policy.tiers).find(one => one.name === tier);
    return found !== undefined && isScheduled(found) ? found.scope : manual;
  }
  const policy = policies.find(one => one.name === name);
  const known = policies.map(one => one.name).join(', ') || 'none';
  if (policy === undefined) throw new HoldfastError('POLICY_NOT_FOUND', `there is no policy ${JSON.stringify(name)}; there are ${known}`);
  const scheduled = policy.tiers.filter(isScheduled);
  const found = tier === undefined ? scheduled[0] : scheduled.find(one => one.name === tier);
  if (found === undefined) {
    const tiers = scheduled.map(one => one.name).join(', ') || 'none';
    throw new HoldfastError('POLICY_NOT_FOUND', `policy ${name} takes no backups of tier ${JSON.stringify(tier)}; it has ${tiers}`);
  }
  return found.scope;
}

async function takeBackup(world: World, wanted: Wanted, context: WorkContext): Promise<WorkResult> {
  const { repository, cluster, volumes } = currentTerm(world);
  const wish = volumesAmong(wanted.parts);
  const { recipients, signingKey, trusted } = world.keys;
  const { signal } = context;
  const isDemanded = wanted.fires.length === 0;
  const outcome = await runBackup({
    ...{ repository, cluster, recipients, signingKey, signal },
    ...{ tier: wanted.tier, selection: wanted.selection, sealIndex: world.sealIndex },
    ...{ runtime: world.runtime, progress: context.progress, producerVersion: world.version },
    parts: wanted.parts.map(part => partRecord(part, wanted)),
    ...((wish.snapshots || wish.data) && volumes !== undefined && { volumes: volumes.capture(wish, wanted.hooks) }),
    ...(isDemanded ? {} : { fires: wanted.fires }),
    commit: (manifest, bytes) =>
      isDemanded
        ? commitDemanded(repository, context.operation.id, manifest, bytes, { signingKey, trusted, signal })
        : commitClaimed(repository, manifest, bytes, { signingKey, trusted, signal }),
  });
  await world.catalog.refresh({ recent: world.runtime.now() }).catch(() => {});
  if (!isDemanded && outcome.phase === 'Failed' && outcome.error.code === 'BACKUP_SUPERSEDED') {
    // Another replica’s set stands for the run: nothing was committed here, and nothing is missing.
    context.log('info', outcome.error.message);
    return { phase: 'Completed', summary: { superseded: outcome.error.message, durationMs: outcome.durationMs } };
  }
  const fact = { action: ledgerAction[outcome.phase], actor: wanted.actor, subject: setOf(outcome) };
  const details = { ...detailsOf(outcome, wanted), operation: context.operation.id };
  await recordEnd(world, { ...fact, details });
  if (outcome.phase !== 'Failed') await tellOfKeys(world, outcome.manifest, wanted.actor, signal);
  return resultOf(outcome, context);
}

/** What a backup on demand has achieved that was stopped, or whose process is gone: from now on it achieves nothing more. */
export async function settleBackup(world: World, { id, kind, createdAt, parameters }: OperationRequest, signal: AbortSignal) {
  const { fires } = parameters as { fires?: readonly Fire[] };
  if (kind !== 'backup' || (fires ?? []).length > 0) return undefined;
  const { signingKey, trusted } = world.keys;
  const manifest = await giveUpDemand(currentTerm(world).repository, id, { signingKey, trusted, signal });
  if (manifest === undefined) return undefined;
  await world.catalog.refresh({ recent: world.runtime.now(), signal });
  await tellOfSet(world, manifest, { since: new Date(createdAt), signal });
  const durationMs = Date.parse(manifest.finishedAt) - Date.parse(manifest.startedAt);
  return { phase: manifest.phase, summary: summaryOf(manifest, { durationMs }) };
}

/** Sets are sealed and signed with the keys that the service was started with: that others count from now on is found out here. */
async function tellOfKeys(world: World, manifest: Manifest, actor: Actor, signal: AbortSignal): Promise<void> {
  const { signingKey, trusted } = world.keys;
  // Another cluster’s service has keys of its own.
  const isOurs = (set: SetSummary): boolean => set.phase !== 'Unreadable' && isSameCluster(set.cluster, manifest.cluster);
  const sets = world.catalog.sets().flatMap(set => (isOurs(set) ? [set.id] : []));
  try {
    const fact = await keyChange(world.repository, { manifest, sets, trusted, signal, signedBy: signingKeyId(publicKeyOf(signingKey)) });
    if (fact !== undefined) await record(world, { ...fact, actor });
  } catch (thrown) {
    world.log.warn({ err: thrown, set: manifest.id }, 'it could not be found out whether keys were changed');
  }
}

/** Of volumes it is found out while they are captured. */
function partRecord(part: Part, { locations = [] }: Scope): PartRecord {
  if (part === 'artifacts' || part === 'offsiteCopy') {
    const where = part === 'offsiteCopy' && locations.length > 0 ? `not copied to ${locations.join(', ')}: ` : '';
    return { part, state: 'not-protected', reason: `${where}${notBuilt[part]}` };
  }
  return { part, state: 'protected', reason: '' };
}

const ledgerAction = {
  Completed: 'backup.completed',
  PartiallyFailed: 'backup.partially-failed',
  Failed: 'backup.failed',
} as const satisfies Record<BackupOutcome['phase'], LedgerAction>;

function setOf(outcome: BackupOutcome): string {
  return outcome.phase === 'Failed' ? outcome.id : outcome.manifest.id;
}

function detailsOf(outcome: BackupOutcome, { tier, fires }: Wanted): Record<string, unknown> {
  if (outcome.phase === 'Failed') return { tier, fires, error: outcome.error, durationMs: outcome.durationMs };
  return { tier, ...countBackup(outcome.manifest), durationMs: outcome.durationMs };
}

/** What the summary of a backup says of volumes. */
export interface BackupVolumes extends VolumeCounts {
  /** Claims that failed, by code. */
  readonly failures: Partial<Record<ErrorCode, number>>;
}

function resultOf(outcome: BackupOutcome, { log }: WorkContext): WorkResult {
  if (outcome.phase === 'Failed') {
    const { code, message } = outcome.error;
    return { phase: 'Failed', summary: { durationMs: outcome.durationMs }, error: { code, message, hint: errorTable[code].hint } };
  }
  const { manifest, durationMs, settleMs } = outcome;
  for (const { item, message } of manifest.problems) log('warn', `${item}: ${message}`);
  if (manifest.objects === 0) log('warn', 'the backup is empty: nothing in the cluster matches the selection');
  return { phase: manifest.phase, summary: summaryOf(manifest, { durationMs, settleMs }) };
}

function summaryOf(manifest: Manifest, times: { readonly durationMs: number; readonly settleMs?: number }): WorkResult['summary'] {
  const notProtected = (manifest.parts ?? []).filter(({ state }) => state === 'not-protected').map(({ part }) => part);
  const stored = [...manifest.shards, ...manifest.index].reduce((sum, file) => sum + file.bytes, 0);
  const counts = { objects: manifest.objects, bytes: manifest.bytes, storedBytes: stored, problems: manifest.problems.length };
  const volumes: BackupVolumes = { ...countVolumes(manifest.volumes), failures: countFailures(manifest.volumes) };
  return { set: manifest.id, tier: manifest.tier, ...counts, volumes, notProtected, ...times };
}

import type { ItemFailure } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import { setTime } from '../domain/set-id.ts';
import { type SetSummary, setsWithManifest, summarize } from '../repository/catalog.ts';
import { salvageOf } from '../repository/damaged-set.ts';
import { begunDeletions, isBeingDeleted, listHolds } from '../repository/holds.ts';
import { isSetId, setPrefix } from '../repository/layout.ts';
import { withSignal } from '../repository/read-bytes.ts';
import { requireManifest } from '../repository/read-manifest.ts';
import { type DeletionRefusal, type DeletionVerdict, judgeDeletion } from './deletion-rules.ts';
import { isReadable } from './retention.ts';
import type { PlanOptions } from './retention-run.ts';

/** A claim whose data goes with a set. */
export interface DeletedVolume {
  readonly namespace: string;
  readonly claim: string;
  /** Of its data in the location; absent where the set has none there. */
  readonly bytes?: number;
  /** A snapshot of it was kept in the cluster. */
  readonly snapshot: boolean;
}

/** What would go with one set, what keeps it, and why it may not go, if so. */
export interface DeletionPlan extends DeletionVerdict {
  readonly set: string;
  /** `Deleting`: its manifest is gone; what is left of it goes now. */
  readonly phase: SetSummary['phase'] | 'Deleting';
  /** RFC 3339, UTC. */
  readonly startedAt: string;
  readonly tier?: string;
  /** URL of the API server that it is of. */
  readonly cluster?: string;
  readonly objects?: number;
  /** Why it cannot be read. */
  readonly error?: ItemFailure;
  /** What lies in the location for it alone, volumes apart. */
  readonly files: number;
  readonly storedBytes: number;
  readonly volumes: readonly DeletedVolume[];
}

export interface DeletionPlanOptions extends Omit<PlanOptions, 'limits'> {
  /** All sets of the repository as they are known, in any order. */
  sets(): Promise<readonly SetSummary[]>;
  /** Sets that are to go before it: they stand for nothing any more. */
  readonly without?: readonly string[];
}

/** Changes nothing. BACKUP_NOT_FOUND, STORE_ codes. */
export async function readDeletionPlan(id: string, options: DeletionPlanOptions): Promise<DeletionPlan> {
  const { repository } = options;
  const summary = isSetId(id) ? await summarize(repository, id, options) : undefined;
  if (summary === undefined) {
    if (!isSetId(id) || !(await isBeingDeleted(repository, id, options))) {
      throw new HoldfastError('BACKUP_NOT_FOUND', `${repository.store.url} holds no backup ${JSON.stringify(id)}`);
    }
    const startedAt = setTime(id)?.toISOString() ?? '';
    return { set: id, phase: 'Deleting', startedAt, ...(await sizeOf(id, options)), volumes: [], keptBy: [], warnings: [] };
  }
  const { startedAt, phase } = summary;
  const gone = new Set([...(options.without ?? []), ...(await begunDeletions(repository, options))]);
  const verdict = await verdictOn(
    summary,
    (await options.sets()).filter(one => !gone.has(one.id)),
    options,
  );
  const salvage = isReadable(summary) || verdict.refusal !== undefined ? undefined : await salvageRefusal(id, options);
  return {
    ...{ set: id, phase, startedAt, ...(await sizeOf(id, options)) },
    ...(isReadable(summary)
      ? { tier: summary.tier, cluster: summary.cluster.server, objects: summary.objects, volumes: await volumesOf(id, options) }
      : { error: summary.error, volumes: [] }),
    ...verdict,
    ...(salvage !== undefined && { refusal: salvage }),
  };
}

async function verdictOn(summary: SetSummary, sets: readonly SetSummary[], options: DeletionPlanOptions): Promise<DeletionVerdict> {
  const { repository, policies, runtime } = options;
  const [holds, busy] = [await listHolds(repository, options), await options.busy()];
  const others = sets.filter(({ id }) => id !== summary.id);
  return judgeDeletion(summary, { sets: [...others, summary], policies, holds, busy, now: runtime.now() });
}

async function salvageRefusal(id: string, options: DeletionPlanOptions): Promise<DeletionRefusal | undefined> {
  const salvage = await salvageOf(options.repository, id, options);
  if (salvage === undefined) return undefined;
  return { code: 'BACKUP_NEEDED', message: `${id} must stay: it cannot be read here, but ${salvage.why}`, hint: salvage.hint };
}

/**
 * To be asked when its deletion has begun, which every other run can see by then: sets that are gone or going since the plan was read stand for
 * nothing. Of two last ones that two people delete at one time, neither goes.
 */
export async function refusalNow(id: string, options: DeletionPlanOptions): Promise<DeletionRefusal | undefined> {
  // In this order: a set whose deletion ends in between has no manifest when these are listed.
  const begun = await begunDeletions(options.repository, options);
  const there = new Set(await Array.fromAsync(setsWithManifest(options.repository, options)));
  const sets = (await options.sets()).filter(one => one.id === id || (there.has(one.id) && !begun.has(one.id)));
  const summary = sets.find(one => one.id === id) ?? (await summarize(options.repository, id, options));
  return summary === undefined ? undefined : (await verdictOn(summary, sets, options)).refusal;
}

async function sizeOf(id: string, { repository, ...options }: DeletionPlanOptions): Promise<{ files: number; storedBytes: number }> {
  let [files, storedBytes] = [0, 0];
  for await (const { bytes } of repository.store.list(setPrefix(id), withSignal(options))) {
    files += 1;
    storedBytes += bytes;
  }
  return { files, storedBytes };
}

async function volumesOf(id: string, options: DeletionPlanOptions): Promise<DeletedVolume[]> {
  const { manifest } = await requireManifest(options.repository, id, options);
  return manifest.volumes.flatMap(({ namespace, claim, data, snapshot }) =>
    data === undefined && snapshot?.kept === undefined
      ? []
      : [{ namespace, claim, ...(data !== undefined && { bytes: data.bytes }), snapshot: snapshot?.kept !== undefined }],
  );
}

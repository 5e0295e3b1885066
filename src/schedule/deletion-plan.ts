import { isDeepStrictEqual } from 'node:util';
import type { ItemFailure } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import { setTime } from '../domain/set-id.ts';
import { type SetSummary, summarize } from '../repository/catalog.ts';
import { salvageOf } from '../repository/damaged-set.ts';
import { holdOf, isBeingDeleted } from '../repository/holds.ts';
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
  /**
   * All sets of the repository as they are known, in any order; with `anew` also those that others have made since. That one of them is gone, or cannot be read
   * any more, need not be known: what a set may go by is looked at again.
   */
  sets(how?: { readonly anew: boolean }): Promise<readonly SetSummary[]>;
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
  const verdict = await verdictOn(summary, options);
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

/** What was made elsewhere and is not known yet can only let more go: it is looked for where a set would have to stay. */
async function verdictOn(summary: SetSummary, options: DeletionPlanOptions): Promise<DeletionVerdict> {
  const verdict = await verdictBy(await options.sets(), summary, options);
  return verdict.refusal?.code === 'BACKUP_NEEDED' ? verdictBy(await options.sets({ anew: true }), summary, options) : verdict;
}

/** Of ten thousand sets a few are read: those that the verdict rests on, and of them what is there now. */
async function verdictBy(sets: readonly SetSummary[], summary: SetSummary, options: DeletionPlanOptions): Promise<DeletionVerdict> {
  const { repository, policies, runtime, without = [] } = options;
  const [hold, busy] = [await holdOf(repository, summary.id, options), await options.busy()];
  const holds = hold === undefined ? [] : [hold];
  const apart = new Set([summary.id, ...without]);
  const others = new Map(sets.filter(({ id }) => !apart.has(id)).map(one => [one.id, one]));
  const looked = new Set<string>();
  for (;;) {
    const input = { sets: [...others.values(), summary], policies, holds, busy, now: runtime.now() };
    const { verdict, restsOn } = judgeDeletion(summary, input);
    let isAsKnown = true;
    for (const known of restsOn.filter(({ id }) => !looked.has(id))) {
      looked.add(known.id);
      const now = await standingNow(known.id, options);
      if (now === undefined) others.delete(known.id);
      else others.set(known.id, now);
      isAsKnown &&= isDeepStrictEqual(now, known);
    }
    if (isAsKnown) return verdict;
  }
}

/** Undefined for one that is gone, or going: it stands for nothing. */
async function standingNow(id: string, options: DeletionPlanOptions): Promise<SetSummary | undefined> {
  // In this order: one whose deletion ends in between has no manifest any more.
  return (await isBeingDeleted(options.repository, id, options)) ? undefined : summarize(options.repository, id, options);
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
  const summary = await summarize(options.repository, id, options);
  return summary === undefined ? undefined : (await verdictOn(summary, options)).refusal;
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

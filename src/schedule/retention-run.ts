import { asHoldfastError, type ErrorCode, HoldfastError } from '../domain/errors.ts';
import type { Policy } from '../domain/policy.ts';
import type { Progress, Runtime } from '../domain/runtime.ts';
import { listSets, type SetSummary, setFolders } from '../repository/catalog.ts';
import { type DeleteOptions, deleteLeftover, deleteSet, finishDeletion } from '../repository/delete-set.ts';
import { begunDeletions, giveUpDeletion, listHolds } from '../repository/holds.ts';
import { finishLeftovers, leftoverAgeMs, readLeftovers, storeTime } from '../repository/leftovers.ts';
import type { CallOptions } from '../repository/read-bytes.ts';
import type { Repository } from '../repository/repository.ts';
import { clearUses } from '../repository/uses.ts';
import type { OthersReason } from './other-clusters.ts';
import { type BusySets, doingWith, planRetention, type RetentionInput, type RetentionPlan, toDelete } from './retention.ts';

export interface PlanOptions extends CallOptions {
  readonly repository: Repository;
  readonly policies: readonly Policy[];
  /** Public keys (PEM) of which one must have signed; the repository's own unless given. */
  readonly trusted?: readonly string[] | undefined;
  readonly runtime: Pick<Runtime, 'now' | 'random'>;
  /** What is being done with sets just now, by their ids; asked again before each deletion. */
  busy(): Promise<BusySets>;
  readonly limits?: RetentionInput['limits'];
  /** Whose sets are not decided on, where some may be. */
  readonly othersOf?: (sets: readonly SetSummary[]) => Promise<OthersReason | undefined>;
}

/** What would be deleted now; changes nothing. STORE_ codes. */
export async function readRetentionPlan(options: PlanOptions): Promise<RetentionPlan> {
  return planFor(await Array.fromAsync(listSets(options.repository, options)), options);
}

async function planFor(sets: readonly SetSummary[], options: PlanOptions): Promise<RetentionPlan> {
  const { repository, policies, runtime, limits } = options;
  const othersReason = await options.othersOf?.(sets);
  const [holds, busy] = [await listHolds(repository, options), await options.busy()];
  return planRetention({ sets, policies, holds, busy, now: runtime.now(), othersReason, ...(limits && { limits }) });
}

export interface RetentionRunOptions extends PlanOptions, Pick<DeleteOptions, 'signingKey' | 'actor' | 'record' | 'fence'> {
  readonly progress: Progress;
  /** The digest of the plan that somebody has agreed to. */
  readonly confirm?: string;
}

/** What became of one set, or of a folder that was none. */
export interface RetentionItem {
  readonly set: string;
  /** `cleared`: the rest of a set that was deleted before, or what a run left that was stopped. */
  readonly result: 'deleted' | 'cleared' | 'kept' | 'failed';
  /** Why; empty when deleted. */
  readonly message: string;
  readonly code?: ErrorCode;
}

export interface RetentionOutcome {
  readonly plan: RetentionPlan;
  /** In the order in which they were dealt with. */
  readonly items: readonly RetentionItem[];
  /** What somebody should look at, besides the notices of the plan. */
  readonly notices: readonly string[];
}

/**
 * Deletes what the plan of now lets go, and finishes what earlier runs began; nothing at all while the plan is blocked. What fails is an item
 * of the result, and the others go on. PLAN_CHANGED when this is not the plan that was agreed to; NOT_LEADER and INTERRUPTED end the run.
 */
export async function runRetention(options: RetentionRunOptions): Promise<RetentionOutcome> {
  const { repository } = options;
  const found = await lookAround(options);
  const plan = await planFor(found.sets, options);
  if (options.confirm !== undefined && options.confirm !== plan.digest) {
    throw new HoldfastError('PLAN_CHANGED', 'retention would delete other sets by now than those of the plan that was confirmed');
  }
  if (plan.blocked !== undefined) return { plan, items: [], notices: found.notices };
  const begun = await begunDeletions(repository, options);
  const going = toDelete(plan);
  const visible = new Set(found.sets.map(({ id }) => id));
  const reasons = new Map(plan.decisions.map(decision => [decision.set, decision.reasons]));
  const items: RetentionItem[] = [];
  const tasks: Task[] = [
    ...[...begun].filter(id => visible.has(id) && !going.includes(id)).map(id => ({ id, run: () => stay(id, options) })),
    ...[...begun].filter(id => !visible.has(id)).map(id => ({ id, run: () => clear(id, options) })),
    ...going.map(id => ({ id, run: () => letGo(id, reasons.get(id) ?? [], options) })),
    ...found.leftovers.filter(id => !begun.has(id)).map(id => ({ id, run: () => sweep(id, options) })),
  ];
  for (const [index, { id, run }] of tasks.entries()) {
    options.signal?.throwIfAborted();
    options.progress({ phase: 'delete', detail: id, objects: index, totalObjects: tasks.length });
    const item = await run().catch((thrown: unknown) => failed(id, thrown));
    if (item !== undefined) items.push(item);
  }
  await clearUses(repository, { ...options, now: options.runtime.now(), mayDelete: () => options.fence?.check() });
  return { plan, items, notices: found.notices };
}

interface Task {
  readonly id: string;
  /** Undefined where there is nothing to tell. */
  run(): Promise<RetentionItem | undefined>;
}

interface Surroundings {
  readonly sets: readonly SetSummary[];
  /** Folders that no run will make a set any more. */
  readonly leftovers: readonly string[];
  readonly notices: readonly string[];
}

async function lookAround(options: RetentionRunOptions): Promise<Surroundings> {
  const { repository, runtime } = options;
  // Folders first: what becomes visible in between is a set already, not a leftover.
  const folders = await Array.fromAsync(setFolders(repository, options));
  const sets = await Array.fromAsync(listSets(repository, options));
  const visible = new Set(sets.map(({ id }) => id));
  const hidden = folders.filter(id => !visible.has(id));
  if (hidden.length === 0) return { sets, leftovers: [], notices: [] };
  const leftovers = await readLeftovers(repository, hidden, options);
  const oldest = Math.min(...leftovers.map(({ newest }) => newest?.getTime() ?? Number.POSITIVE_INFINITY));
  options.fence?.check();
  // A claim is written after all files of its set, but clocks of a store may differ by as much as ours.
  const since = new Date(Number.isFinite(oldest) ? oldest - leftoverAgeMs : 0);
  const claimed = await finishLeftovers(repository, { ...options, since });
  const now = await storeTime(repository, runtime, options);
  const isDead = (newest: Date | undefined): boolean =>
    newest === undefined || (now !== undefined && now.getTime() - newest.getTime() > leftoverAgeMs);
  return {
    sets: claimed.finished.length === 0 ? sets : await Array.fromAsync(listSets(repository, options)),
    leftovers: leftovers
      .filter(({ id, newest }) => isDead(newest) && !claimed.finished.includes(id) && !claimed.mayBeClaimed(id))
      .map(({ id }) => id),
    notices: claimed.broken,
  };
}

async function letGo(id: string, reasons: readonly string[], options: RetentionRunOptions): Promise<RetentionItem> {
  const doing = doingWith(id, await options.busy());
  if (doing !== undefined) return { set: id, result: 'kept', message: doing };
  const kept = await deleteSet(options.repository, id, reasons, {
    ...deleteOptions(options),
    doing: async set => doingWith(set, await options.busy()),
  });
  if (kept !== undefined) return { set: id, result: 'kept', message: kept };
  return { set: id, result: 'deleted', message: '' };
}

/** Its deletion was interrupted while it was whole, and by the plan of now it stays. */
async function stay(id: string, options: RetentionRunOptions): Promise<undefined> {
  const { actor, runtime, repository } = options;
  // Such as by somebody who asked for just this one.
  if (doingWith(id, await options.busy()) !== undefined) return;
  options.fence?.check();
  await giveUpDeletion(repository, id, { ...options, reason: 'kept after all', by: actor.name, now: runtime.now() });
}

async function clear(id: string, options: RetentionRunOptions): Promise<RetentionItem> {
  await finishDeletion(options.repository, id, deleteOptions(options));
  return { set: id, result: 'cleared', message: 'its deletion had been interrupted' };
}

async function sweep(id: string, options: RetentionRunOptions): Promise<RetentionItem> {
  const doing = doingWith(id, await options.busy());
  if (doing !== undefined) return { set: id, result: 'kept', message: doing };
  const message = 'it has no manifest: the run that wrote it was stopped';
  await deleteLeftover(options.repository, id, message, deleteOptions(options));
  return { set: id, result: 'cleared', message };
}

function deleteOptions({ signal, signingKey, trusted, actor, runtime, record, fence }: RetentionRunOptions): DeleteOptions {
  return { signal, signingKey, trusted, actor, now: runtime.now(), record, fence };
}

/** What ends the whole run, and is no failure of one set. */
const endings: readonly ErrorCode[] = ['NOT_LEADER', 'INTERRUPTED', 'TIMEOUT'];

function failed(set: string, thrown: unknown): RetentionItem {
  const { code, message } = asHoldfastError(thrown);
  if (endings.includes(code)) throw thrown;
  return { set, result: 'failed', message, code };
}

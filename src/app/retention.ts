import type { Run } from '../app.ts';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import type { Config } from '../config/load.ts';
import { clusterName } from '../domain/cluster-identity.ts';
import { asHoldfastError, HoldfastError } from '../domain/errors.ts';
import type { LedgerFact } from '../domain/ledger.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { SetSummary } from '../repository/catalog.ts';
import { type Hold, hold, holdOf, release } from '../repository/holds.ts';
import { openLedger } from '../repository/ledger.ts';
import { openLiveCatalog } from '../repository/live-catalog.ts';
import { operationFolders, readOperationRequest } from '../repository/operation-records.ts';
import type { Repository } from '../repository/repository.ts';
import { isAwaited, listUses, useWords } from '../repository/uses.ts';
import { type Deletion, deleteByHand } from '../schedule/delete-by-hand.ts';
import { type DeletionPlan, type DeletionPlanOptions, readDeletionPlan } from '../schedule/deletion-plan.ts';
import { type OthersReason, reasonOfOthers } from '../schedule/other-clusters.ts';
import type { BusySets, RetentionPlan } from '../schedule/retention.ts';
import { type PlanOptions, type RetentionOutcome, readRetentionPlan, runRetention } from '../schedule/retention-run.ts';
import { readHome } from '../service/home.ts';
import type { Keys } from './keys.ts';
import { actorHere } from './user.ts';

export interface RetentionParts {
  readonly config: Pick<Config, 'policies' | 'settings'>;
  readonly keys: Keys;
  readonly runtime: Runtime;
  readonly repository: Repository;
  /** Opened when first asked for. */
  cluster(): Promise<ClusterApi>;
  /** The id of the set that is meant. */
  resolve(meant: MeantSet): Promise<string>;
}

/** A set by its id, the beginning of one, `latest`, a day or a time, and whose that is where several clusters have some. */
export interface MeantSet {
  readonly text: string;
  readonly cluster?: string;
}

export interface RetentionChoice {
  /** The digest of the plan that somebody has agreed to. */
  readonly confirm?: string;
  /** Delete more than one run may otherwise. */
  readonly yes: boolean;
}

/** What a person does about retention, in whose name the ledger has it. */
export interface RetentionCommands {
  plan(): Promise<RetentionPlan>;
  run(choice: RetentionChoice, run: Run): Promise<RetentionOutcome>;
  /** What would go with one set, by its full id, and why it may not; `without`: sets that go before it. BACKUP_NOT_FOUND. */
  planDeletion(set: string, without: readonly string[]): Promise<DeletionPlan>;
  /** Deletes one set, by its full id. BACKUP_NOT_FOUND, BACKUP_HELD, BACKUP_IN_USE, BACKUP_NEEDED. */
  deleteSet(set: string, reason: string | undefined, run: Run): Promise<Deletion>;
  /** Holding twice keeps the first reason. BACKUP_NOT_FOUND. */
  hold(meant: MeantSet, reason: string): Promise<Hold>;
  /** Resolves with the hold that was. BACKUP_NOT_FOUND, HOLD_NOT_FOUND. */
  release(meant: MeantSet, reason: string): Promise<Hold>;
}

/** Of one repository, for as long as the signal is not aborted. */
export async function openRetention(parts: RetentionParts, signal: AbortSignal): Promise<RetentionCommands> {
  const { config, keys, runtime, repository } = parts;
  const trusted = await keys.trusted();
  const actor = actorHere();
  const planning = (yes: boolean): PlanOptions => ({
    ...{ repository, trusted, runtime, signal },
    policies: config.policies,
    busy: () => busySets(repository, runtime.now(), signal),
    limits: { yes, ...maxShareOf(config) },
    othersOf: sets => othersOf(parts, sets, signal),
  });
  const deleting = (): DeletionPlanOptions => ({
    ...planning(false),
    sets,
    busy: () => busySets(repository, runtime.now(), signal, useWords),
  });
  // By the snapshot that a service has kept, if there is one.
  const catalog = openLiveCatalog(repository, { trusted });
  let looked = false;
  const sets: DeletionPlanOptions['sets'] = async how => {
    if (!looked || how?.anew === true) await catalog.refresh({ signal });
    looked = true;
    return catalog.sets();
  };
  const writing = async () => {
    const signingKey = await keys.signingKey();
    const ledger = openLedger(repository, { signingKey, trusted, runtime });
    return { signingKey, record: (fact: LedgerFact) => ledger.append(fact, { signal }) };
  };
  return {
    plan: () => readRetentionPlan(planning(false)),
    run: async ({ confirm, yes }, { progress }) =>
      runRetention({ ...planning(yes), ...(await writing()), actor, progress, ...(confirm !== undefined && { confirm }) }),
    planDeletion: (set, without) => readDeletionPlan(set, { ...deleting(), without }),
    deleteSet: async (set, reason, { progress }) => {
      const deletion = await deleteByHand(set, { ...deleting(), ...(await writing()), actor, reason, progress });
      catalog.forget(set);
      return deletion;
    },
    hold: async (meant, reason) => {
      const { signingKey, record } = await writing();
      const set = await parts.resolve(meant);
      const held = await hold(repository, set, { signingKey, trusted, signal, reason, by: actor.name, now: runtime.now() });
      await record({ action: 'set.held', actor, subject: set, details: { reason } });
      return held;
    },
    release: async (meant, reason) => {
      const { signingKey, record } = await writing();
      const set = await parts.resolve(meant);
      const options = { signingKey, trusted, signal, reason, by: actor.name, now: runtime.now() };
      const held = await holdOf(repository, set, options);
      // Told first: a set that can be deleted again without a trace of who allowed it must not be.
      if (held !== undefined) await record({ action: 'set.released', actor, subject: set, details: { reason, held: held.reason } });
      await release(repository, set, options);
      return held ?? { set, reason: '', by: '', at: '' };
    },
  };
}

/** Where the sets can only be of one cluster, it is not asked which one that is: a job that does nothing but this needs no cluster. */
async function othersOf(
  { config, cluster }: RetentionParts,
  sets: readonly SetSummary[],
  signal: AbortSignal,
): Promise<OthersReason | undefined> {
  const adopted = config.settings.service?.retention?.clusters ?? [];
  const names = new Set(sets.flatMap(set => (set.phase === 'Unreadable' ? [] : [clusterName(set.cluster)])));
  for (const name of adopted) names.delete(name);
  if (names.size < 2) return undefined;
  try {
    return reasonOfOthers((await readHome(await cluster(), signal)).identity, adopted);
  } catch (thrown) {
    signal.throwIfAborted();
    const { message } = asHoldfastError(thrown);
    throw new HoldfastError(
      'CONFIG_INVALID',
      `there are sets of several clusters (${[...names].join(', ')}), and whose may go is not known: ${message}`,
      {
        hint: 'give the kubeconfig of the cluster whose sets are meant, or name all but one in service.retention.clusters',
        cause: thrown,
      },
    );
  }
}

function maxShareOf({ settings }: RetentionParts['config']): { maxShare?: number } {
  const maxShare = settings.service?.retention?.maxShare;
  return maxShare === undefined ? {} : { maxShare };
}

const doing: Readonly<Record<string, string>> = { ...useWords, delete: 'being deleted' };

/** What others do with sets: what they say they read, and what services are about to do by the records of their operations. */
async function busySets(
  repository: Repository,
  now: Date,
  signal: AbortSignal,
  words: Readonly<Record<string, string>> = doing,
): Promise<BusySets> {
  const busy = await listUses(repository, { now, signal });
  for (const [id, files] of await operationFolders(repository, { signal })) {
    if (files.has('result.json') || !files.has('request.json')) continue;
    const request = await readOperationRequest(repository, id, { signal });
    if (request === undefined || !isAwaited(request, now)) continue;
    const what = words[request.kind];
    if (what !== undefined) busy.set(request.subject, `${what} (operation ${id})`);
  }
  return busy;
}

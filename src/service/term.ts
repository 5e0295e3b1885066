import { clusterName } from '../domain/cluster-identity.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Actor, OperationRequest } from '../domain/operation.ts';
import { finishClaims } from '../repository/run-claim.ts';
import { clearUsesOf } from '../repository/uses.ts';
import type { DueRun } from '../schedule/coalesce.ts';
import { nextFire, parseSchedule } from '../schedule/cron.ts';
import type { MissedFire } from '../schedule/due.ts';
import { runScheduler, type Scheduler } from '../schedule/scheduler.ts';
import { scheduledBackup } from './backup-jobs.ts';
import { resumeDeletion } from './delete-jobs.ts';
import { lastRetention } from './done-before.ts';
import { scheduleHistory } from './history.ts';
import type { Home } from './home.ts';
import type { Prepared } from './job.ts';
import { isShared, lastTold } from './last-told.ts';
import { tellOfMissed } from './missed.ts';
import { persistently, succeeds } from './persistently.ts';
import { resumeRestore } from './restore-jobs.ts';
import { retentionJob } from './retention-jobs.ts';
import { scaleUpLeft } from './scale-up.ts';
import { thawLeft } from './thaw.ts';
import { tellOfEnds } from './told-ends.ts';
import { tellOfSets } from './untold.ts';
import { resumeVolumeRestore } from './volume-jobs.ts';
import { measureNewestSets } from './volume-standing.ts';
import { currentTerm, record, type Term, type World } from './world.ts';

const self: Actor = { name: 'holdfast', via: 'service' };
const dayMs = 24 * 3_600_000;
/** A clock that was put forward is noticed within this time. */
const longestSleepMs = 30_000;

export interface TermHooks {
  /** Asks the cluster which one it is; from then on the world has that, and the term. CLUSTER_ codes. */
  readonly findHome: (signal: AbortSignal) => Promise<Home>;
  /** The scheduler of this term, to be poked when the rules change. */
  readonly onScheduler: (scheduler: Scheduler) => void;
  readonly onMissed: (missed: MissedFire) => void;
  /** No run is started after it; what runs goes on. */
  readonly stopping: AbortSignal;
}

/**
 * What a leader does for as long as its term lasts: finishes what the one before left, starts what is due, deletes what has had its time.
 * Resolves when the term or the service ends; a store or an API server that is away is waited for.
 */
export async function leadTerm(world: World, term: Term, hooks: TermHooks): Promise<void> {
  const signal = AbortSignal.any([term.signal, hooks.stopping]);
  let home: Home | undefined;
  // Before anything else: what lies in the repository may be another cluster's, and its service at work with it.
  await persistently(world, signal, 'the cluster cannot be asked which one it is', async () => {
    home = await hooks.findHome(signal);
  });
  if (home === undefined) return;
  const { uid } = home.identity;
  await persistently(world, signal, 'what was left by the leader before could not be finished', async () => {
    await world.catalog.refresh({ signal, thorough: true });
    const since = await lastTold(world, signal);
    const { signingKey, trusted } = world.keys;
    const claims = await finishClaims(term.repository, { signingKey, trusted, since, signal });
    for (const set of claims.finished) world.log.info({ set }, 'a set was made visible whose writer had ended just before');
    for (const { key, message } of claims.broken) world.log.warn({ key, message }, 'a claim cannot be finished');
    const shared = isShared(world);
    const resume = (request: OperationRequest) =>
      resumeVolumeRestore(world, request) ?? resumeRestore(world, request) ?? resumeDeletion(world, request);
    const { resumed, interrupted, settled, damaged } = await world.operations.recover(request =>
      // A restore by an older version, which did not say into which cluster, must not go on in this one by mistake.
      shared && request.cluster === undefined ? undefined : resume(request),
    );
    for (const { id, kind } of resumed) world.log.info({ operation: id, kind }, 'an operation is taken up again');
    for (const { id, summary } of settled)
      world.log.info({ operation: id, set: summary['set'] }, 'an operation had ended, and gets its result');
    for (const message of damaged) world.log.error({ message }, 'a record of an operation cannot be read');
    const ended = [...interrupted, ...settled].map(({ id }) => id);
    await clearUsesOf(term.repository, ended, { signal });
    for (const { id } of interrupted) await record(world, { action: 'operation.interrupted', actor: self, subject: id, details: {} });
    if (claims.finished.length + settled.length > 0) await world.catalog.refresh({ signal });
    await tellOfSets(world, { since, signal });
    await tellOfEnds(world, { since, signal });
    await keepSnapshot(world, signal);
  });
  if (signal.aborted) return;
  const details = { version: world.version, cluster: clusterName(home.identity) };
  await record(world, { action: 'service.started', actor: self, subject: world.repository.info.id, details });
  const history = scheduleHistory(world);
  const scheduler = runScheduler({
    policies: () => world.rules().policies,
    history: async within => {
      await world.catalog.refresh({ signal: within, recent: world.runtime.now() });
      return history(within);
    },
    start: run => start(world, run),
    onMissed: missed => void tellOfMissed(world, missed, { signal, onMissed: hooks.onMissed }),
    onError: error => world.log.error({ err: error }, 'the scheduler has trouble, and goes on'),
    ...{ clusterId: uid, runtime: world.runtime, signal, fence: term.fence },
  });
  hooks.onScheduler(scheduler);
  const alongside = [
    keepHouse(world, signal),
    measureNewestSets(world, signal),
    thawLeft(world, term, signal),
    scaleUpLeft(world, term, signal),
  ];
  await Promise.all([scheduler.ended, ...alongside]);
}

async function start(world: World, run: DueRun): Promise<void> {
  const { phase, result } = await carryOut(world, scheduledBackup(world, run));
  await keepSnapshot(world).catch(thrown => world.log.warn({ err: thrown }, 'no snapshot of the catalog was kept'));
  if (phase === 'Failed' || phase === 'Interrupted') {
    throw new HoldfastError(result?.error?.code ?? 'BACKUP_FAILED', `${run.policy}/${run.tier}: ${result?.error?.message ?? phase}`);
  }
}

async function carryOut(world: World, job: Prepared) {
  const { operation } = await world.operations.submit(job.submission, job.work);
  return world.operations.ended(operation.request.id);
}

/** Retention by its schedule, and records of operations that are old. */
async function keepHouse(world: World, signal: AbortSignal): Promise<void> {
  let from = world.runtime.now();
  // What was due while nobody led is made up for, once.
  await persistently(world, signal, 'when retention was last run cannot be read', async () => {
    from = (await lastRetention(world, signal)) ?? from;
  });
  let left: readonly Chore[] = [];
  while (!signal.aborted) {
    const due = nextFire(parseSchedule(world.rules().retentionSchedule), 'UTC', from);
    const now = world.runtime.now();
    // A clock that was put back must not keep retention waiting until it has caught up.
    if (from.getTime() > now.getTime() + dayMs) from = now;
    if (due !== undefined && due.getTime() <= now.getTime()) {
      from = now;
      await persistently(world, signal, 'retention could not be run', async () => {
        await carryOut(world, retentionJob(world, { kind: 'retention', beyondLimit: false }, { name: 'schedule', via: 'schedule' }));
      });
      left = choresAfter(world, now, signal);
    }
    // Each for itself, and without an end to their tries: they must not keep the next retention waiting.
    const failed: Chore[] = [];
    for (const chore of left) if (!(await succeeds(world, signal, chore.trouble, chore.work))) failed.push(chore);
    left = failed;
    const next = due === undefined ? longestSleepMs : due.getTime() - world.runtime.now().getTime();
    await world.runtime.sleep(Math.max(1, Math.min(longestSleepMs, next)), signal).catch(() => {});
  }
}

/** What is done after retention, and tried again until it succeeds or the next retention has run. */
interface Chore {
  readonly trouble: string;
  readonly work: () => Promise<void>;
}

function choresAfter(world: World, now: Date, signal: AbortSignal): readonly Chore[] {
  return [
    { trouble: 'no snapshot of the catalog was kept', work: () => keepSnapshot(world, signal) },
    {
      trouble: 'records of old operations could not be deleted',
      work: async () => void (await world.operations.expire(new Date(now.getTime() - world.rules().operationsKeptMs), signal)),
    },
  ];
}

/** So that the next start need not read every manifest. */
async function keepSnapshot(world: World, signal?: AbortSignal): Promise<void> {
  const mayWrite = () => void currentTerm(world);
  await world.catalog.keepSnapshot({
    signingKey: world.keys.signingKey,
    runtime: world.runtime,
    mayWrite,
    ...(signal !== undefined && { signal }),
  });
}

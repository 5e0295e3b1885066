import { type IndexEntry, indexKey } from '../domain/backup-set.ts';
import { asHoldfastError } from '../domain/errors.ts';
import type { RestoreOutcome, RestorePhase } from '../domain/restore-plan.ts';
import { claims as claimKind } from '../volumes/kinds.ts';
import { awaitDefinitions } from './definitions.ts';
import { Feed } from './feed.ts';
import { type Ground, type RestoreInput, surveyGround } from './ground.ts';
import { Lanes } from './lanes.ts';
import { awaitNamespaces, makeUnknownNamespaces } from './namespaces.ts';
import { baseRank, stepOfRank } from './order.ts';
import { Restorer } from './restorer.ts';
import { Tally } from './tally.ts';
import { Volumes } from './volumes/volumes.ts';

export const defaultConcurrency = 40;

/** Failures are tried again while that helps, at most so often. */
const mostWaves = 5;
const betweenWavesMs = 1_000;
/** Storage classes are there by then. */
const claimRank = baseRank(claimKind);

/**
 * Brings a set back. Run again after any interruption it completes what is missing; run once more it writes nothing. Single objects that
 * cannot be restored are problems of the outcome. Throws only what happens before the first write, and INTERRUPTED or TIMEOUT.
 */
export async function runRestore(input: RestoreInput): Promise<RestoreOutcome> {
  const startedAt = input.runtime.now().getTime();
  const ground = await surveyGround(input);
  const tally = new Tally();
  const lanes = new Lanes({ most: input.options.concurrency ?? defaultConcurrency, clock: () => performance.now() });
  const volumes = new Volumes(input, tally);
  const restorer = new Restorer(input, ground, tally, lanes, volumes);
  let broken: unknown;
  try {
    await restoreAll({ input, ground, tally, lanes, restorer, volumes });
    // Where the last thing that it did was of no consequence to anything else, nobody has looked yet.
    input.signal.throwIfAborted();
  } catch (thrown) {
    if (input.signal.aborted) throw asHoldfastError(input.signal.reason ?? thrown);
    broken = thrown;
    // What is under way counts, and nothing is written any more once the outcome is told.
    await lanes.settled();
  }
  for (const { item, thrown, rank } of restorer.failures.values()) {
    tally.count(stepOfRank(rank), 'fail');
    tally.failed(item, thrown);
  }
  if (broken !== undefined) tally.failed(`restore of ${input.reader.manifest.id}`, broken);
  return {
    phase: phaseOf(tally, broken !== undefined),
    backup: input.reader.manifest.id,
    server: input.cluster.server,
    steps: tally.steps,
    totals: tally.totals,
    writes: tally.writes,
    bytes: tally.bytes,
    objects: tally.objects,
    durationMs: input.runtime.now().getTime() - startedAt,
    volumes: volumes.outcomes,
    problems: tally.problems,
    problemsOmitted: tally.problemsOmitted,
    ...(broken !== undefined && { stoppedBy: asHoldfastError(broken).code }),
  };
}

interface Work {
  readonly input: RestoreInput;
  readonly ground: Ground;
  readonly tally: Tally;
  readonly lanes: Lanes;
  readonly restorer: Restorer;
  readonly volumes: Volumes;
}

async function restoreAll(work: Work): Promise<void> {
  const { input, ground, tally, lanes, restorer, volumes } = work;
  const { scope } = ground;
  const feed = new Feed(input.reader, scope, input.signal);
  await awaitNamespaces(input, ground);
  await makeUnknownNamespaces(input, ground, tally);
  let step = stepOfRank(0);
  for (const [rank, objects] of scope.ranks) {
    if (stepOfRank(rank) !== step) {
      await endStep(work, step);
      step = stepOfRank(rank);
    }
    const startedAt = performance.now();
    if (rank >= claimRank) await volumes.fill(ground);
    await feed.rank(rank, objects, (entry, json) => submit(work, entry, json));
    await lanes.drain();
    tally.took(step, performance.now() - startedAt);
  }
  await endStep(work, step);
  await tryAgain(work, feed);
  await restorer.linkLater(true);
  await volumes.confirm(true);
}

async function endStep({ input, ground, restorer, volumes }: Work, step: string): Promise<void> {
  if (step === 'custom-resource-definitions' && ground.awaited().length > 0) await awaitDefinitions(input, ground);
  await restorer.linkLater(false);
  // What runs next may use them.
  await volumes.confirm(false);
}

async function submit({ input, ground, tally, lanes, restorer }: Work, entry: IndexEntry, json: string): Promise<void> {
  await lanes.start(() => restorer.restore(entry, json));
  tally.objects++;
  tally.bytes += entry.size;
  input.progress({
    phase: 'apply',
    detail: `${entry.resource} ${entry.namespace === '' ? entry.name : `${entry.namespace}/${entry.name}`}`,
    objects: tally.objects,
    totalObjects: ground.scope.objects,
    bytes: tally.bytes,
  });
}

/** An object may have been refused for the want of another, or of a webhook's server, that is there by now. */
async function tryAgain({ input, lanes, restorer }: Work, feed: Feed): Promise<void> {
  for (let wave = 0; wave < mostWaves && restorer.failures.size > 0; wave++) {
    const before = restorer.failures.size;
    input.progress({ phase: 'apply', detail: `trying ${before} again` });
    await input.runtime.sleep(betweenWavesMs, input.signal);
    const keys = new Set(restorer.failures.keys());
    await feed.again(
      entry => keys.has(indexKey(entry)),
      (entry, json) => lanes.start(() => restorer.restore(entry, json)),
    );
    await lanes.drain();
    if (restorer.failures.size === before) return;
  }
}

function phaseOf(tally: Tally, broken: boolean): RestorePhase {
  if (broken) return 'Failed';
  if (!tally.anyFailed) return 'Completed';
  const { fail, exclude: _excluded, ...rest } = tally.totals;
  const back = Object.values(rest).reduce((sum, count) => sum + count, -tally.madeNamespaces);
  return fail > 0 && back === 0 ? 'Failed' : 'PartiallyFailed';
}

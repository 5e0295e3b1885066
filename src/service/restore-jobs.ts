import type { Work as AskedWork, Caller, RestoreRequest } from '../api/service.ts';
import { chooseCluster } from '../domain/cluster-choice.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { HeldIdentity } from '../domain/identity.ts';
import type { OperationRequest } from '../domain/operation.ts';
import type { RestoreOptions, RestoreOutcome, RestorePlan } from '../domain/restore-plan.ts';
import { noProgress } from '../domain/runtime.ts';
import type { Selection } from '../domain/selection.ts';
import type { Work, WorkContext, WorkResult } from '../operations/job.ts';
import { openContents as openWithIdentity } from '../repository/open-contents.ts';
import { type ResolveOptions, resolveSet } from '../repository/resolve-set.ts';
import type { SetReader } from '../repository/set-reader.ts';
import { planRestore } from '../restore/plan.ts';
import { runRestore } from '../restore/run.ts';
import { validateSet } from './check-jobs.ts';
import { readHome } from './home.ts';
import { describeIdentity, identityFromRecord, jobWith, withIdentities } from './identities.ts';
import type { Prepared } from './job.ts';
import { recordEnd } from './told-ends.ts';
import { whileUsed } from './while-used.ts';
import { currentTerm, recordFirst, type TermVolumes, type World } from './world.ts';

/** Most problems of a restore that its record names; the rest are counted. */
const mostProblems = 200;

/** The set that the text means to this caller, for bringing `wanted` back, default everything. BACKUP_NOT_FOUND, BACKUP_AMBIGUOUS. */
export async function findSet(world: World, text: string, { signal, cluster, ...asked }: FindOptions): Promise<string> {
  const own = async () => (await readHome(world.cluster, signal)).identity;
  const choice = cluster === undefined ? {} : { cluster: await chooseCluster(cluster, own) };
  const known = (id: string) => {
    const set = world.catalog.get(id);
    return set?.phase === 'Unreadable' ? undefined : set;
  };
  return resolveSet(world.repository, text, { ...asked, ...choice, known, now: world.runtime.now(), signal, trusted: world.keys.trusted });
}

export type FindOptions = Pick<ResolveOptions, 'wanted' | 'within' | 'onNotice'> & {
  /** Whose set is meant, as `chooseCluster` reads it; `own` is the cluster of the service. */
  readonly cluster?: string | undefined;
  readonly signal: AbortSignal;
};

/** `findSet` for a job: what was passed over is for its log. */
export async function findSetFor(
  world: World,
  asked: { readonly set: string; readonly cluster?: string | undefined; readonly selection?: Selection },
  caller: Caller,
  signal: AbortSignal,
): Promise<{ readonly set: string; readonly notices: readonly string[] }> {
  const notices: string[] = [];
  const onNotice = (notice: string) => void notices.push(notice);
  const { cluster, selection: wanted } = asked;
  const set = await findSet(world, asked.set, { cluster, wanted, within: caller.namespaces, onNotice, signal });
  return { set, notices: caller.namespaces === undefined ? notices : [] };
}

/** Opens a set for reading its contents. IDENTITY_MISSING and IDENTITY_WRONG before anything is done. */
export async function openContents(world: World, id: string, identities: readonly HeldIdentity[], signal: AbortSignal): Promise<SetReader> {
  try {
    return await openWithIdentity(world.repository, id, { identities, trusted: world.keys.trusted, signal });
  } catch (thrown) {
    if (!isCode(thrown, 'IDENTITY_MISSING')) throw thrown;
    throw new HoldfastError('IDENTITY_MISSING', `${id} is sealed, and the request gives no identity`, {
      hint: 'send the identity, or name a Secret or a file of the service that holds it',
    });
  }
}

/** Nothing is written; the identity stays the caller's. */
export async function planFor(world: World, request: RestoreRequest, caller: Caller, signal: AbortSignal): Promise<RestorePlan> {
  const { set: text, cluster } = request;
  const id = await findSet(world, text, { cluster, wanted: request.options.selection, within: caller.namespaces, signal });
  return withIdentities(world, request.identity, signal, async identities => {
    const reader = await openContents(world, id, identities, signal);
    const { cluster, runtime } = world;
    const volumes = volumesFor(world, reader, request.options, identities);
    return planRestore({ cluster, reader, runtime, signal, progress: noProgress, ...volumes });
  });
}

/** What a restore of this set needs besides, for volumes. */
function volumesFor(
  from: { readonly volumes?: TermVolumes },
  { manifest }: SetReader,
  options: RestoreOptions,
  identities: readonly HeldIdentity[],
) {
  const { volumes } = from;
  if (volumes === undefined || manifest.volumes.length === 0) return { options };
  const storageClasses = { ...volumes.settings.storageClasses, ...options.storageClasses };
  return { options: { ...options, storageClasses }, volumes: { ...volumes, identities } };
}

interface Restoration {
  readonly set: string;
  readonly options: RestoreOptions;
  readonly dryRun: boolean;
  readonly validate: boolean;
}

/** The set and the identity are looked at before the job is accepted. BACKUP_ and IDENTITY_ codes, KEY_INVALID. */
export async function restoreJob(
  world: World,
  asked: Extract<AskedWork, { kind: 'restore' }>,
  caller: Caller,
  signal: AbortSignal,
): Promise<Prepared> {
  const from = describeIdentity(asked.identity);
  const { set: text, cluster } = asked;
  const { set, notices } = await findSetFor(world, { set: text, cluster, selection: asked.options.selection }, caller, signal);
  const what: Restoration = { set, options: asked.options, dryRun: asked.dryRun, validate: asked.validate };
  return jobWith(world, asked.identity, signal, async identities => {
    await openContents(world, set, identities, signal);
    return {
      submission: {
        ...{ kind: 'restore', subject: set, actor: caller.actor, lane: 'restore' },
        parameters: { ...what, ...(from !== undefined && { identity: from }) },
        ...(caller.namespaces !== undefined && { namespaces: caller.namespaces }),
      },
      work: told(notices, restoreWork(world, what, identities)),
    };
  });
}

/** Its log begins with what was passed over for this set. */
export function told(notices: readonly string[], work: Work): Work {
  return context => {
    for (const notice of notices) context.log('warn', notice);
    return work(context);
  };
}

/** Takes an interrupted restore up again, where its identity can be had a second time: what is there already is not written again. */
export function resumeRestore(world: World, request: OperationRequest): { work: Work; lane: string } | undefined {
  const { identity, ...what } = request.parameters as unknown as Restoration & { identity?: unknown };
  const source = identityFromRecord(identity);
  if (request.kind !== 'restore' || 'volume' in request.parameters || (identity !== undefined && source === undefined)) return undefined;
  const work: Work = context => withIdentities(world, source, context.signal, identities => restoreWork(world, what, identities)(context));
  return { work, lane: 'restore' };
}

function restoreWork(world: World, what: Restoration, identities: readonly HeldIdentity[]): Work {
  return whileUsed(world, 'restore', what.set, async context => {
    const { operation, signal, progress, log } = context;
    const term = currentTerm(world);
    const { cluster } = term;
    const reader = await openContents(world, what.set, identities, signal);
    const volumes = volumesFor(term, reader, what.options, identities);
    const input = { reader, cluster, runtime: world.runtime, signal, progress, ...volumes };
    if (what.dryRun) {
      const { totals, digest, steps, problems } = await planRestore(input);
      const counts = steps.map(({ step, counts: of }) => ({ step, counts: of }));
      return {
        phase: 'Completed',
        summary: { set: what.set, dryRun: true, totals, digest, steps: counts, problems: problems.slice(0, mostProblems) },
      };
    }
    const fact = { actor: operation.actor, subject: what.set };
    await recordFirst(world, { ...fact, action: 'restore.started', details: { operation: operation.id, options: what.options } });
    log('info', `restoring ${what.set} to ${cluster.server}`);
    let outcome: RestoreOutcome | undefined;
    try {
      outcome = await runRestore(input);
      return await afterwards(world, what, { ...input, outcome }, context);
    } finally {
      const details =
        outcome === undefined ? { phase: 'stopped' } : { phase: outcome.phase, totals: outcome.totals, durationMs: outcome.durationMs };
      await recordEnd(world, { ...fact, action: 'restore.ended', details: { operation: operation.id, ...details } });
    }
  });
}

async function afterwards(
  world: World,
  what: Restoration,
  { outcome, reader }: { readonly outcome: RestoreOutcome; readonly reader: SetReader },
  context: WorkContext,
): Promise<WorkResult> {
  const { problems, problemsOmitted, ...told } = outcome;
  for (const { item, severity, message } of problems) context.log(severity === 'failed' ? 'error' : 'warn', `${item}: ${message}`);
  const named = problems.slice(0, mostProblems);
  const summary = { set: what.set, ...told, problems: named, problemsOmitted: problemsOmitted + problems.length - named.length };
  if (outcome.phase !== 'Completed' || !what.validate) return { phase: outcome.phase, summary, ...failure(outcome) };
  const report = await validateSet(world, reader, { ...what.options, platform: false }, context);
  return { ...report, summary: { ...summary, validation: report.summary } };
}

/** Whatever did not complete has an error, also where no problem was kept that says why. Damage of the set is named as such. */
function failure({ phase, problems, totals, stoppedBy }: RestoreOutcome): Pick<WorkResult, 'error'> {
  if (phase === 'Completed') return {};
  const failed = problems.filter(({ severity }) => severity === 'failed');
  const damage = failed.find(({ code }) => code === stoppedBy && code === 'BACKUP_CORRUPT');
  const worst = damage ?? failed[0];
  const message = worst === undefined ? `${totals.fail} objects did not come back` : `${worst.item}: ${worst.message}`;
  const { code, hint } = new HoldfastError(damage?.code ?? (phase === 'Failed' ? 'RESTORE_FAILED' : 'RESTORE_PARTIAL'), '');
  return { error: { code, message, hint } };
}

import type { Work as AskedWork, Caller } from '../api/service.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { WorkContext, WorkResult } from '../operations/job.ts';
import type { SetReader } from '../repository/set-reader.ts';
import { type VerifyReport, verifyRepository, verifySet } from '../repository/verify.ts';
import { runValidation } from '../validate/run.ts';
import { describeIdentity, jobWith } from './identities.ts';
import type { Prepared } from './job.ts';
import { findSet, openContents } from './restore-jobs.ts';
import { whileUsed } from './while-used.ts';
import { currentTerm, record, type World } from './world.ts';

/** Most findings that a record names. */
const mostFindings = 100;
/** Most sets that a record reports on, damaged ones first; the counts are of all. */
const mostReports = 500;

/** Is everything in the repository as it was written? BACKUP_ and IDENTITY_ codes before the job is accepted. */
export async function verifyJob(
  world: World,
  asked: Extract<AskedWork, { kind: 'verify' }>,
  caller: Caller,
  signal: AbortSignal,
): Promise<Prepared> {
  const from = describeIdentity(asked.identity);
  const { cluster } = asked;
  const set = asked.set === 'all' ? undefined : await findSet(world, asked.set, { cluster, within: caller.namespaces, signal });
  return jobWith(world, asked.identity, signal, async identities => ({
    submission: {
      ...{ kind: 'verify', subject: set ?? 'all', actor: caller.actor, lane: 'verify' },
      parameters: { set: set ?? 'all', ...(from !== undefined && { identity: from }) },
      ...(caller.namespaces !== undefined && { namespaces: caller.namespaces }),
    },
    work: whileUsed(world, 'verify', set ?? 'all', async ({ operation, signal: stop, progress, log }) => {
      const options = { identities, trusted: world.keys.trusted, signal: stop, progress };
      const sets =
        set === undefined ? (await verifyRepository(world.repository, options)).sets : [await verifySet(world.repository, set, options)];
      const count = (state: string) => sets.filter(one => one.state === state).length;
      const damaged = sets.filter(one => one.state === 'damaged');
      for (const one of damaged) for (const finding of one.findings) log('error', `${one.id}: ${finding.message}`);
      const summary = {
        ...{ sets: sets.length, verified: count('verified'), damaged: damaged.map(({ id }) => id), incomplete: count('incomplete') },
        objects: sets.reduce((sum, one) => sum + one.objects, 0),
        bytes: sets.reduce((sum, one) => sum + one.bytes, 0),
      };
      await record(world, {
        action: 'verify.ended',
        actor: operation.actor,
        subject: set ?? 'all',
        details: { operation: operation.id, ...summary },
      });
      const result = { ...summary, reports: reportsOf(sets) };
      if (damaged.length === 0) return { phase: 'Completed', summary: result };
      const [first] = damaged.flatMap(({ id, findings }) => findings.map(finding => `${id}: ${finding.message}`));
      return { phase: 'Failed', summary: result, error: errorOf('VERIFY_FAILED', first ?? 'damage was found') };
    }),
  }));
}

/** In the order of their ids. */
function reportsOf(sets: readonly VerifyReport[]): VerifyReport[] {
  const worstFirst = sets.toSorted((a, b) => Number(b.state === 'damaged') - Number(a.state === 'damaged')).slice(0, mostReports);
  return worstFirst
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ findings, unnamed, ...report }) => {
      const named = findings.slice(0, mostFindings);
      return { ...report, findings: named, unnamed: unnamed + findings.length - named.length };
    });
}

/** Is everything of a set on the cluster, and does the platform work? */
export async function validateJob(
  world: World,
  asked: Extract<AskedWork, { kind: 'validate' }>,
  caller: Caller,
  signal: AbortSignal,
): Promise<Prepared> {
  const from = describeIdentity(asked.identity);
  const { cluster, selection: wanted } = asked;
  const set = await findSet(world, asked.set, { cluster, wanted, within: caller.namespaces, signal });
  const { selection, namespaceMapping, storageClasses = {}, volumeSizes = {}, platform } = asked;
  const parameters = {
    set,
    selection,
    namespaceMapping,
    storageClasses,
    volumeSizes,
    platform,
    ...(from !== undefined && { identity: from }),
  };
  return jobWith(world, asked.identity, signal, async identities => {
    await openContents(world, set, identities, signal);
    return {
      submission: {
        ...{ kind: 'validate', subject: set, actor: caller.actor, lane: 'validate', parameters },
        ...(caller.namespaces !== undefined && { namespaces: caller.namespaces }),
      },
      work: whileUsed(world, 'validate', set, async context => {
        const reader = await openContents(world, set, identities, context.signal);
        return validateSet(world, reader, asked, context);
      }),
    };
  });
}

export async function validateSet(
  world: World,
  reader: SetReader,
  asked: Omit<Extract<AskedWork, { kind: 'validate' }>, 'kind' | 'set' | 'identity'>,
  { operation, signal, progress, log }: WorkContext,
): Promise<WorkResult> {
  const { cluster } = currentTerm(world);
  const checks = asked.platform ? await world.rules().platformChecks() : [];
  const { selection, namespaceMapping, storageClasses = {}, volumeSizes = {}, platform } = asked;
  const report = await runValidation({
    selection,
    namespaceMapping,
    storageClasses,
    volumeSizes,
    platform,
    checks,
    reader,
    cluster,
    signal,
    progress,
    runtime: world.runtime,
  });
  const bad = report.checks.filter(({ state }) => state === 'failed');
  for (const { name, message } of bad) log('error', `${name}: ${message}`);
  const count = (state: string) => report.checks.filter(check => check.state === state).length;
  const summary = {
    ...{ set: report.backup, passed: count('passed'), failed: bad.length, warnings: count('warning'), skipped: count('skipped') },
    ...{ server: report.server, state: report.state, startedAt: report.startedAt, durationMs: report.durationMs },
    checks: report.checks.map(({ findings, findingsOmitted, ...check }) => {
      const named = findings.slice(0, mostFindings);
      return { ...check, findings: named, findingsOmitted: findingsOmitted + findings.length - named.length };
    }),
  };
  const { set, passed, failed } = summary;
  await record(world, {
    action: 'validate.ended',
    actor: operation.actor,
    subject: set,
    details: { operation: operation.id, passed, failed },
  });
  if (report.state === 'passed') return { phase: 'Completed', summary };
  return { phase: 'Failed', summary, error: errorOf('VALIDATION_FAILED', `${bad[0]?.name}: ${bad[0]?.message}`) };
}

function errorOf(code: 'VERIFY_FAILED' | 'VALIDATION_FAILED', message: string): NonNullable<WorkResult['error']> {
  return { code, message, hint: new HoldfastError(code, message).hint };
}

import type { OpenedSet } from '../../app.ts';
import { exitCodes, HoldfastError } from '../../domain/errors.ts';
import type { ActionCounts, RestorePlan } from '../../domain/restore-plan.ts';
import type { Call, CommandSpec } from '../command.ts';
import { advise, present } from '../output.ts';
import { type RestoreFlagValues, restoreFlags, restoreOptions, selectionOf } from '../restore-flags.ts';
import { type ClusterFlagValue, clusterFlag, clusterOf, setArgument } from '../set-argument.ts';

export interface PlanFlagValues extends RestoreFlagValues, ClusterFlagValue {
  readonly diff?: boolean;
  readonly objects?: boolean;
}

export const planFlags = [
  clusterFlag,
  { flags: '--diff', text: 'show the fields that differ, of objects that are there already' },
  { flags: '--objects', text: 'show every object' },
] as const;

export const restorePlan: CommandSpec<PlanFlagValues> = {
  name: 'plan',
  arguments: [setArgument],
  summary: 'Show what a restore would do to the cluster, and write nothing',
  examples: [
    {
      what: 'the newest complete backup, into the current context',
      line: 'holdfast restore plan latest --keys-dir ./keys --identity operator.identity',
    },
    { what: 'what has changed in one namespace since Friday?', line: 'holdfast restore plan 2026-11-20 -n agent-platform --diff' },
    { what: 'every object that would be written, for a review', line: 'holdfast restore plan latest -o name' },
  ],
  exits: {
    [exitCodes.ok]: 'all that is selected can be restored',
    [exitCodes.failed]: 'the cluster or the location cannot be read',
    [exitCodes.partial]: 'some objects cannot be restored; the plan names them',
    [exitCodes.verification]: 'the backup is damaged or not signed by the expected key',
    [exitCodes.timeout]: 'not done within --timeout',
    [exitCodes.notFound]: 'no such backup, repository or bucket, or the backup holds nothing of what is selected',
    [exitCodes.wrongKey]: 'the identity is missing, or opens another backup',
  },
  uses: ['identity', 'keys', 'repository', 'cluster', 'server', 'output', 'general'],
  flags: [...restoreFlags, ...planFlags],
  outputs: ['table', 'json', 'yaml', 'name'],
  reports: () => 'document',
  run: async call => {
    const plan = await makePlan(call, await openForRestore(call, { planOnly: true }));
    await requireSome(call, plan.backup, countOf(plan.totals));
    await presentPlan(call, plan);
    const { writesOf } = await import('../render/restore-plan.ts');
    if (call.format === 'table' && writesOf(plan.totals) > 0) advise(call, '\nDo it: the same line with restore create');
    return exitOfPlan(plan);
  },
};

/** The backup that the line names. Opened once, so that `latest` means the same one from the plan to the end. A plan alone writes nothing anywhere. */
export async function openForRestore(call: Call<PlanFlagValues>, { planOnly }: { readonly planOnly: boolean }): Promise<OpenedSet> {
  // A line that makes no sense is refused before anything is asked for.
  const { selection: wanted } = restoreOptions(call.options, undefined);
  const app = await call.app();
  const how = { signal: call.signal, need: 'contents', wanted, ...clusterOf(call.options) } as const;
  return app.openSet(call.args[0] ?? 'latest', { ...how, ...(!planOnly && { use: 'restore' }) });
}

export async function makePlan(call: Call<PlanFlagValues>, set: OpenedSet): Promise<RestorePlan> {
  const [app, { settings }] = await Promise.all([call.app(), call.config()]);
  return app.planRestore(set, restoreOptions(call.options, settings.concurrency), {
    signal: call.signal,
    progress: call.reporter.progress,
  });
}

export async function presentPlan(call: Call<PlanFlagValues>, plan: RestorePlan): Promise<void> {
  const { diff = false, objects = false } = call.options;
  const { plannedNames, planLines } = await import('../render/restore-plan.ts');
  call.reporter.end('done');
  await present(call, {
    document: plan,
    lines: () => planLines(plan, { style: call.style, diff, objects }),
    names: () => plannedNames(plan),
  });
}

/** BACKUP_NOT_FOUND where a selection was given, and the backup holds nothing of it: a name is misspelt, more likely than not. */
export async function requireSome(call: Call<RestoreFlagValues>, backup: string, objects: number): Promise<void> {
  const { selectionText } = await import('../render/backup-description.ts');
  const selected = selectionText(selectionOf(call.options));
  if (objects > 0 || selected === 'everything') return;
  throw new HoldfastError('BACKUP_NOT_FOUND', `${backup} holds nothing of what is selected (${selected})`, {
    hint: `holdfast backup describe ${backup} --objects lists what it holds`,
  });
}

export function countOf(counts: ActionCounts): number {
  return Object.values(counts).reduce((sum, one) => sum + one, 0);
}

export function exitOfPlan(plan: RestorePlan): number {
  return plan.totals.fail > 0 || plan.problems.some(problem => problem.severity === 'failed') ? exitCodes.partial : exitCodes.ok;
}

import type { OpenedSet } from '../../app.ts';
import { errorTable, exitCodes, HoldfastError } from '../../domain/errors.ts';
import type { RestoreOutcome } from '../../domain/restore-plan.ts';
import type { Call, CommandSpec } from '../command.ts';
import { advise, confirmed, presentSummary } from '../output.ts';
import { restoreFlags, restoreOptions } from '../restore-flags.ts';
import { setArgument } from '../set-argument.ts';
import { countOf, exitOfPlan, makePlan, openForRestore, type PlanFlagValues, planFlags, presentPlan, requireSome } from './restore-plan.ts';

/** What is wrong with the backup and not with the cluster is told apart, also when it shows only half way. */
const ofTheBackup: ReadonlySet<number> = new Set([exitCodes.verification, exitCodes.wrongKey]);

interface Options extends PlanFlagValues {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly validate?: boolean;
}

export const restoreCreate: CommandSpec<Options> = {
  name: 'create',
  arguments: [setArgument],
  summary: 'Bring back what a backup holds, in order, into a fresh cluster or a living one',
  details:
    'Shows the plan and asks first; where nobody can answer, it needs --yes. Objects that are there already stay as they are unless --existing says otherwise. Completed workflows and jobs come back completed and never run again. Run again after an interruption, it completes what is missing; run once more, it writes nothing.',
  examples: [
    {
      what: 'everything, into the fresh cluster of the current context',
      line: 'holdfast restore create latest --keys-dir ./keys --identity operator.identity',
    },
    {
      what: 'one namespace beside the living one, to look at it',
      line: 'holdfast restore create latest -n agent-platform --map-namespace agent-platform=agent-platform-old',
    },
    {
      what: 'one secret that somebody deleted',
      line: 'holdfast restore create latest -n agent-platform --kinds secrets --names github-app-5dlabs-rex',
    },
    { what: 'unattended, and prove that it worked', line: 'holdfast restore create latest --yes --validate -o json' },
  ],
  exits: {
    [exitCodes.ok]: 'Completed: everything selected is there',
    [exitCodes.failed]: 'failed or not confirmed; what was restored before stays, and the same command continues',
    [exitCodes.partial]: 'PartiallyFailed: the objects named did not come back',
    [exitCodes.verification]: 'the backup is damaged, its signature is wrong, or --validate found differences',
    [exitCodes.timeout]: 'not done within --timeout; the same command continues',
    [exitCodes.notFound]: 'no such backup, repository or bucket, or the backup holds nothing of what is selected',
    [exitCodes.wrongKey]: 'the identity is missing, or opens another backup',
  },
  uses: ['identity', 'keys', 'repository', 'cluster', 'server', 'output', 'general'],
  flags: [
    ...restoreFlags,
    { flags: '--dry-run', text: 'the same as restore plan: write nothing' },
    ...planFlags,
    { flags: '-y, --yes', text: 'do not ask' },
    { flags: '--validate', text: 'afterwards compare every object with the backup' },
  ],
  outputs: ['table', 'json', 'yaml', 'name'],
  reports: ({ dryRun }) => (dryRun === true ? 'document' : 'lines'),
  whenStopped: 'What was restored stays; the same command run again completes it.',
  run: async call => {
    const { dryRun = false, yes = false } = call.options;
    if (!dryRun && !yes && call.terminal.ask === undefined) {
      throw new HoldfastError('USAGE', 'a restore changes the cluster, and nobody is here to confirm it', {
        hint: 'look at holdfast restore plan, then pass --yes',
      });
    }
    if (dryRun && call.options.validate === true) {
      throw new HoldfastError('USAGE', '--dry-run brings nothing back that --validate could compare', {
        hint: 'leave one of the two away',
      });
    }
    const set = await openForRestore(call, { planOnly: dryRun });
    if (dryRun) {
      const plan = await makePlan(call, set);
      await requireSome(call, plan.backup, countOf(plan.totals));
      await presentPlan(call, plan);
      return exitOfPlan(plan);
    }
    if (!yes && !(await agreed(call, set))) {
      advise(call, 'Nothing was changed.');
      return exitCodes.failed;
    }
    return restore(call, set);
  },
};

/** Shows the plan on stderr, where the question is too: stdout is for the result. */
async function agreed(call: Call<Options>, set: OpenedSet): Promise<boolean> {
  const { planLines, writesOf } = await import('../render/restore-plan.ts');
  const plan = await makePlan(call, set);
  await requireSome(call, plan.backup, countOf(plan.totals));
  const { diff = false, objects = false } = call.options;
  call.reporter.end('done');
  call.terminal.stderr.write(`${planLines(plan, { style: call.noteStyle, diff, objects }).join('\n')}\n\n`);
  if (writesOf(plan.totals) === 0) return true;
  return confirmed(call, `Restore into ${plan.server}?`);
}

async function restore(call: Call<Options>, set: OpenedSet): Promise<number> {
  const [app, { settings }] = await Promise.all([call.app(), call.config()]);
  const options = restoreOptions(call.options, settings.concurrency);
  const run = { signal: call.signal, progress: call.reporter.progress };
  const outcome = await app.restore(set, options, run);
  if (outcome.phase === 'Completed') await requireSome(call, outcome.backup, countOf(outcome.totals));
  const toValidate = call.options.validate === true && outcome.phase !== 'Failed';
  const validation = toValidate ? await app.validate(set, { ...options, platform: false }, run) : undefined;
  for (const problem of outcome.problems) {
    call.reporter.message({ message_type: problem.severity === 'failed' ? 'error' : 'warning', ...problem });
  }
  const [{ restoreOutcome }, { validationLines }] = await Promise.all([
    import('../render/restore-outcome.ts'),
    import('../render/validation.ts'),
  ]);
  await presentSummary(call, {
    document: validation === undefined ? outcome : { ...outcome, validation },
    lines: () => [
      ...restoreOutcome(outcome, call.style),
      ...(validation === undefined ? [] : ['', ...validationLines(validation, call.style)]),
    ],
    names: () => [outcome.backup],
  });
  if (call.format === 'table' && !toValidate && outcome.phase === 'Completed') {
    advise(call, `\nProve it: holdfast validate ${outcome.backup} --identity <file>`);
  }
  return exitOfOutcome(outcome, validation?.state);
}

function exitOfOutcome({ phase, stoppedBy }: RestoreOutcome, validation: 'passed' | 'failed' | undefined): number {
  switch (phase) {
    case 'Completed':
      return validation === 'failed' ? exitCodes.verification : exitCodes.ok;
    case 'PartiallyFailed':
      return exitCodes.partial;
    case 'Failed':
      return stoppedBy !== undefined && ofTheBackup.has(errorTable[stoppedBy].exit) ? errorTable[stoppedBy].exit : exitCodes.failed;
  }
}

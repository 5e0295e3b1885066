import { exitCodes, HoldfastError } from '../../domain/errors.ts';
import type { RetentionPlan } from '../../schedule/retention.ts';
import { signingKeyFlag } from '../backup-flags.ts';
import type { Call, CommandSpec } from '../command.ts';
import { advise, confirmed, presentSummary, warn } from '../output.ts';
import { allFlag, presentRetentionPlan, type RetentionPlanFlags } from './retention-plan.ts';

interface Options extends RetentionPlanFlags {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

export const retentionRun: CommandSpec<Options> = {
  name: 'run',
  summary: 'Delete the backups that are kept no longer, as the plan says',
  details:
    'Shows the plan and asks first; where nobody can answer, it needs --yes. More than a quarter of all backups (service.retention.maxShare) goes only with --yes, unless it is three or fewer. What an interrupted run left is finished, and what a stopped backup left more than a day ago is cleared. The ledger tells of every deletion.',
  examples: [
    { what: 'look, then confirm', line: 'holdfast retention run --config holdfast.yaml' },
    { what: 'only look', line: 'holdfast retention run --dry-run' },
    { what: 'unattended, where no service does it', line: 'holdfast retention run --yes -o json' },
  ],
  exits: {
    [exitCodes.ok]: 'what the plan says was deleted, even if that is nothing',
    [exitCodes.failed]: 'the location cannot be read, it was not confirmed, or more than the share would go; nothing was deleted',
    [exitCodes.partial]: 'the backups named could not be deleted; the same command tries again',
    [exitCodes.timeout]: 'not done within --timeout; the same command continues',
    [exitCodes.notFound]: 'the location holds no repository, or the bucket does not exist',
  },
  uses: ['keys', 'repository', 'cluster', 'server', 'output', 'general'],
  flags: [
    signingKeyFlag,
    { flags: '-y, --yes', text: 'do not ask, and let more than the share go' },
    { flags: '--dry-run', text: 'the same as retention plan: delete nothing' },
    allFlag,
  ],
  outputs: ['table', 'json', 'yaml', 'name'],
  reports: ({ dryRun }) => (dryRun === true ? 'document' : 'lines'),
  whenStopped: 'Each backup is whole or gone; the same command run again finishes what was begun.',
  run: async call => {
    const { yes = false, dryRun = false } = call.options;
    if (!yes && !dryRun && call.terminal.ask === undefined) {
      throw new HoldfastError('USAGE', 'retention deletes backups, and nobody is here to confirm it', {
        hint: 'look at holdfast retention plan, then pass --yes',
      });
    }
    const plan = await (await (await call.app()).retention(call.signal)).plan();
    if (dryRun) {
      await presentRetentionPlan(call, plan);
      return exitCodes.ok;
    }
    if (!yes && !(await agreed(call, plan))) {
      advise(call, 'Nothing was deleted.');
      return exitCodes.failed;
    }
    return carryOut(call, plan);
  },
};

/** Shows the plan on stderr, where the question is too: stdout is for the result. RETENTION_BLOCKED. */
async function agreed(call: Call<Options>, plan: RetentionPlan): Promise<boolean> {
  const { retentionPlanLines } = await import('../render/retention.ts');
  const { all = false, headers } = call.options;
  const lines = retentionPlanLines(plan, { style: call.noteStyle, now: call.now(), headers, all });
  if (lines.length > 0) call.terminal.stderr.write(`${lines.join('\n')}\n\n`);
  if (plan.blocked !== undefined) throw new HoldfastError('RETENTION_BLOCKED', `nothing was deleted: ${plan.blocked}`);
  const going = plan.decisions.filter(({ action }) => action === 'delete').length;
  return going === 0 || confirmed(call, `Delete ${going === 1 ? 'this backup' : `these ${going} backups`} for good?`);
}

async function carryOut(call: Call<Options>, { digest }: RetentionPlan): Promise<number> {
  const [app, { retentionOutcomeLines }] = await Promise.all([call.app(), import('../render/retention.ts')]);
  const { yes = false, headers } = call.options;
  const retention = await app.retention(call.signal);
  const outcome = await retention.run({ confirm: digest, yes }, { signal: call.signal, progress: call.reporter.progress });
  const failed = outcome.items.filter(({ result }) => result === 'failed');
  for (const item of failed) call.reporter.message({ message_type: 'error', ...item });
  await presentSummary(call, {
    document: outcome,
    lines: () => retentionOutcomeLines(outcome, call.style, headers),
    names: () => outcome.items.filter(({ result }) => result === 'deleted').map(({ set }) => set),
  });
  for (const notice of [...outcome.plan.notices, ...outcome.notices]) warn(call, notice);
  return failed.length === 0 ? exitCodes.ok : exitCodes.partial;
}

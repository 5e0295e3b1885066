import { asHoldfastError, exitCodes, HoldfastError, isCode } from '../../domain/errors.ts';
import { setIdPattern } from '../../domain/set-id.ts';
import type { DeletionPlan } from '../../schedule/deletion-plan.ts';
import { signingKeyFlag } from '../backup-flags.ts';
import type { Call, CommandSpec } from '../command.ts';
import { advise, confirmed, type Presentation, present, presentSummary, warn } from '../output.ts';
import { reasonFlag, reasonOf } from '../reason-flag.ts';
import type { DeletionItem } from '../render/deletion.ts';

interface Options {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly reason?: string;
}

const mostSets = 100;

export const backupDelete: CommandSpec<Options> = {
  name: 'delete',
  arguments: [{ term: '<id...>', text: 'full ids of backups, as backup get shows them: latest or a day may mean another one by tomorrow' }],
  summary: 'Delete single backups for good, whatever time their tier gives them',
  details:
    'Shows what goes and asks first; where nobody can answer, it needs --yes. Refused are: what is held, what a restore, verification or validation uses, the newest complete backup of each policy and tier, and the last complete one of a cluster; then nothing of what is named goes. There is no flag against that. One that cannot be read goes only where its manifest is damaged for good. Data of volumes that no other backup names goes with the next upkeep. The ledger tells of every deletion.',
  examples: [
    { what: 'look, then confirm', line: 'holdfast backup delete 20261110T091500Z-manual-x7ab' },
    { what: 'only look: what would go, what keeps it, may it go?', line: 'holdfast backup delete 20261110T091500Z-manual-x7ab --dry-run' },
    {
      what: 'all backups by hand but the newest, unattended',
      line: 'holdfast backup get --tier manual -o name | tail -n +2 | xargs holdfast backup delete --yes --reason "tests of last week"',
    },
  ],
  exits: {
    [exitCodes.ok]: 'all of them are gone; with --dry-run, all of them may go',
    [exitCodes.failed]: 'it was not confirmed, one of them may not go, or the location cannot be written; nothing was deleted',
    [exitCodes.partial]: 'some are gone, and those named are not; the same command tries again',
    [exitCodes.timeout]: 'not done within --timeout; the same command continues',
    [exitCodes.notFound]: 'no such backup, repository or bucket; those that there were are gone',
  },
  uses: ['keys', 'repository', 'server', 'output', 'general'],
  flags: [
    reasonFlag('why they go, for the ledger'),
    signingKeyFlag,
    { flags: '-y, --yes', text: 'do not ask' },
    { flags: '--dry-run', text: 'show what would go, and delete nothing' },
  ],
  outputs: ['table', 'json', 'yaml', 'name'],
  reports: ({ dryRun }) => (dryRun === true ? 'document' : 'lines'),
  whenStopped: 'Each backup is whole or gone; the same command run again finishes what was begun.',
  run: async call => {
    const { yes = false, dryRun = false, reason } = call.options;
    const why = reason === undefined ? undefined : reasonOf({ reason });
    const { plans, unknown } = await planAll(call, await fullIds(call));
    if (plans.length === 0) throw unknown[0]!.error;
    if (dryRun) return dryEnd(call, plans, unknown);
    const mayAsk = !yes && call.terminal.ask !== undefined;
    const refusals = plans.flatMap(({ refusal }) => (refusal === undefined ? [] : [refusal]));
    if (mayAsk) await showPlan(call, plans);
    else if (!yes) await presentSummary(call, await planPresentation(call, plans));
    if (refusals.length > 0) throw refusalOf(refusals, plans.length);
    if (!yes && !mayAsk) {
      throw new HoldfastError('USAGE', 'nothing was deleted: nobody is here to confirm it', {
        hint: 'if that is to go for good, pass --yes',
      });
    }
    const question = `Delete ${plans.length === 1 ? 'this backup' : `these ${plans.length} backups`} for good?`;
    if (!yes && !(await confirmed(call, question))) {
      advise(call, 'Nothing was deleted.');
      return exitCodes.failed;
    }
    return carryOut(call, plans, unknown, why);
  },
};

/** USAGE for what means another backup at another time, with the id that it means now. */
async function fullIds(call: Call): Promise<string[]> {
  const given = [...new Set(call.args.flatMap(text => (text === undefined ? [] : [text])))];
  if (given.length > mostSets) throw new HoldfastError('USAGE', `${given.length} backups are more than ${mostSets}: name fewer at a time`);
  for (const text of given) {
    if (setIdPattern.test(text)) continue;
    const meant = await (await call.app()).openSet(text, { signal: call.signal, need: 'manifest' }).catch(unlessDamaged);
    throw new HoldfastError('USAGE', `${JSON.stringify(text)} is no full id: it may mean another backup by the time that one goes`, {
      hint:
        meant === undefined ? 'holdfast backup get shows full ids' : `now it means ${meant.manifest.id}: if that is the one, give this id`,
    });
  }
  return given.sort();
}

/** The beginning of an id may be that of one which cannot be read, and is to go for that. */
function unlessDamaged(thrown: unknown): undefined {
  if (!isCode(thrown, 'BACKUP_CORRUPT', 'SIGNATURE_INVALID', 'REPO_UNSUPPORTED')) throw thrown;
}

interface Unknown {
  readonly set: string;
  readonly error: HoldfastError;
}

/** Oldest first: of each it is looked at what it leaves to the next. */
async function planAll(call: Call, ids: readonly string[]): Promise<{ plans: DeletionPlan[]; unknown: Unknown[] }> {
  const retention = await (await call.app()).retention(call.signal);
  const [plans, unknown]: [DeletionPlan[], Unknown[]] = [[], []];
  for (const set of ids) {
    try {
      const without = plans.filter(({ refusal }) => refusal === undefined).map(plan => plan.set);
      plans.push(await retention.planDeletion(set, without));
    } catch (thrown) {
      if (!isCode(thrown, 'BACKUP_NOT_FOUND')) throw thrown;
      unknown.push({ set, error: thrown });
    }
  }
  return { plans, unknown };
}

/** Of one, or of the first of several. */
function refusalOf([first, ...more]: readonly NonNullable<DeletionPlan['refusal']>[], of: number): HoldfastError {
  const { code, message, hint } = first!;
  if (of === 1) return new HoldfastError(code, message, { hint });
  const others = more.length === 0 ? '' : ` (--dry-run shows the other${more.length === 1 ? '' : ` ${more.length}`}, too)`;
  return new HoldfastError(code, `${more.length + 1} of ${of} may not go, so nothing was deleted: ${message}${others}`, { hint });
}

/** On stderr, where the question and the error are: stdout is for the result. */
async function showPlan(call: Call, plans: readonly DeletionPlan[]): Promise<void> {
  const { deletionPlanLines } = await import('../render/deletion.ts');
  call.terminal.stderr.write(`${deletionPlanLines(plans, { style: call.noteStyle, now: call.now() }).join('\n')}\n\n`);
}

async function planPresentation(call: Call, plans: readonly DeletionPlan[]): Promise<Presentation> {
  const { deletionPlanLines } = await import('../render/deletion.ts');
  return {
    document: { plans },
    lines: () => deletionPlanLines(plans, { style: call.style, now: call.now() }),
    names: () => plans.filter(({ refusal }) => refusal === undefined).map(({ set }) => set),
  };
}

/** What would come of it is the exit code, too. */
async function dryEnd(call: Call, plans: readonly DeletionPlan[], unknown: readonly Unknown[]): Promise<number> {
  await present(call, await planPresentation(call, plans));
  const refusals = plans.flatMap(({ refusal }) => (refusal === undefined ? [] : [refusal]));
  if (call.format === 'name') for (const { message } of refusals) warn(call, message);
  for (const { error } of unknown) warn(call, error.message);
  if (refusals.length > 0) return exitCodes.failed;
  return unknown.length === 0 ? exitCodes.ok : exitCodes.notFound;
}

async function carryOut(
  call: Call,
  plans: readonly DeletionPlan[],
  unknown: readonly Unknown[],
  reason: string | undefined,
): Promise<number> {
  const [app, { deletionLines }] = await Promise.all([call.app(), import('../render/deletion.ts')]);
  const retention = await app.retention(call.signal);
  const run = { signal: call.signal, progress: call.reporter.progress };
  const items: DeletionItem[] = unknown.map(({ set, error }) => ({ set, result: 'unknown', code: error.code, message: error.message }));
  let failure: HoldfastError | undefined;
  for (const { set } of plans) {
    try {
      items.push({ ...(await retention.deleteSet(set, reason, run)), message: '' });
    } catch (thrown) {
      call.signal.throwIfAborted();
      failure = asHoldfastError(thrown);
      if (plans.length + unknown.length === 1) throw thrown;
      const item = { set, result: 'failed', code: failure.code, message: failure.message } as const;
      items.push(item);
      call.reporter.message({ message_type: 'error', ...item });
    }
  }
  await presentSummary(call, {
    document: { items },
    lines: () => deletionLines(items, call.style, call.options.headers),
    names: () => items.filter(({ result }) => result === 'deleted' || result === 'cleared').map(({ set }) => set),
  });
  const went = items.filter(({ result }) => result === 'deleted' || result === 'cleared').length;
  if (failure !== undefined) return went === 0 ? failure.exit : exitCodes.partial;
  return unknown.length === 0 ? exitCodes.ok : exitCodes.notFound;
}

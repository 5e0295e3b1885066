import type { Work as AskedWork } from '../api/service.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Actor } from '../domain/operation.ts';
import type { UpkeepOutcome } from '../domain/volume-upkeep.ts';
import type { WorkResult } from '../operations/job.ts';
import { type RetentionOutcome, runRetention } from '../schedule/retention-run.ts';
import type { Prepared } from './job.ts';
import { othersOf } from './others.ts';
import { busySets } from './retention-planner.ts';
import { keepVolumesUp, reportOrphans } from './volume-jobs.ts';
import { currentTerm, type World } from './world.ts';

const mostItems = 500;

/** Deletes what the rules let go. `plan` is the digest that somebody agreed to; the clock agrees to whatever the rules say. */
export function retentionJob(
  world: World,
  asked: Omit<Extract<AskedWork, { kind: 'retention' }>, 'plan'> & { readonly plan?: string },
  actor: Actor,
): Prepared {
  const { plan, beyondLimit } = asked;
  return {
    submission: {
      ...{ kind: 'retention', subject: 'all', actor, lane: 'retention' },
      parameters: { ...(plan !== undefined && { plan }), beyondLimit },
    },
    work: async ({ signal, progress, log }) => {
      const { repository, fence } = currentTerm(world);
      const { signingKey, trusted } = world.keys;
      const { policies, maxShare } = world.rules();
      const outcome = await runRetention({
        ...{ repository, policies, trusted, signingKey, actor, fence, signal, progress },
        runtime: world.runtime,
        busy: () => busySets(world, signal),
        limits: { maxShare, yes: beyondLimit },
        othersOf: async () => othersOf(world),
        record: async fact => {
          fence.check();
          await world.ledger.append(fact);
        },
        ...(plan !== undefined && { confirm: plan }),
      });
      for (const { set, result } of outcome.items) if (result === 'deleted') world.catalog.forget(set);
      await world.catalog.refresh({ signal, thorough: true });
      for (const notice of [...outcome.plan.notices, ...outcome.notices]) log('warn', notice);
      for (const { set, result, message } of outcome.items)
        log(result === 'failed' ? 'error' : 'info', `${set}: ${result}${message && `: ${message}`}`);
      const upkeep = await keepVolumesUp(world, { actor, signal, progress });
      for (const notice of upkeep?.notices ?? []) log('warn', notice);
      for (const { repository: of, state, reason, forgotten } of upkeep?.items ?? [])
        log(state === 'failed' ? 'error' : 'info', `${of}: ${state}, ${forgotten} forgotten${reason && `: ${reason}`}`);
      for (const notice of await reportOrphans(world, signal)) log('warn', notice);
      return resultOf(outcome, upkeep);
    },
  };
}

function resultOf({ plan, items, notices }: RetentionOutcome, upkeep: UpkeepOutcome | undefined): WorkResult {
  // What failed is not to be cut off: the next upkeep takes it up by this record.
  const volumes = (upkeep?.items ?? []).toSorted((a, b) => Number(b.state === 'failed') - Number(a.state === 'failed'));
  const count = (result: string) => items.filter(item => item.result === result).length;
  const failed = items.filter(item => item.result === 'failed');
  const summary = {
    ...{ deleted: count('deleted'), cleared: count('cleared'), kept: count('kept'), failed: failed.length },
    ...(plan.blocked !== undefined && { blocked: plan.blocked }),
    items: items.slice(0, mostItems),
    ...(upkeep !== undefined && { upkeep: { ...upkeep, items: volumes.slice(0, mostItems) } }),
    notices: [...plan.notices, ...notices],
  };
  const [first] = failed;
  if (first !== undefined) {
    const { hint } = new HoldfastError(first.code ?? 'STORE_ERROR', first.message);
    const error = { code: first.code ?? ('STORE_ERROR' as const), message: `${first.set}: ${first.message}`, hint };
    return { phase: 'PartiallyFailed', summary, error };
  }
  const damaged = volumes.find(({ state }) => state === 'failed');
  if (damaged !== undefined) {
    const code = damaged.code ?? 'MOVER_FAILED';
    const error = { code, message: `${damaged.repository}: ${damaged.reason}`, hint: new HoldfastError(code, '').hint };
    return { phase: 'PartiallyFailed', summary, error };
  }
  if (plan.blocked === undefined) return { phase: 'Completed', summary };
  const { hint } = new HoldfastError('RETENTION_BLOCKED', '');
  return { phase: 'PartiallyFailed', summary, error: { code: 'RETENTION_BLOCKED', message: `nothing was deleted: ${plan.blocked}`, hint } };
}

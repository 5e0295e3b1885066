import { isCode } from '../domain/errors.ts';
import type { LedgerFact } from '../domain/ledger.ts';
import { isEnded, type Operation } from '../domain/operation.ts';
import { isDamage } from '../repository/damage.ts';
import { isOfHome } from './home.ts';
import { entriesSince } from './ledger-since.ts';
import { persistently } from './persistently.ts';
import { currentTerm, type World } from './world.ts';

const operationsLookedAt = 200;

/** That something with an operation of its own has ended. */
export interface EndFact extends LedgerFact {
  readonly details: Readonly<Record<string, unknown>> & { readonly operation: string };
}

/**
 * Tells the ledger that something has ended; where it cannot be written now, as soon as it can while this replica leads, and later by
 * `tellOfEnds`. Never rejects.
 */
export async function recordEnd(world: World, fact: EndFact): Promise<void> {
  const begun = world.runtime.now();
  try {
    const { signal } = currentTerm(world);
    const tell = async (): Promise<void> => {
      currentTerm(world);
      await world.ledger.append(fact);
    };
    try {
      await tell();
    } catch (thrown) {
      world.log.error({ err: thrown, action: fact.action, subject: fact.subject }, 'the ledger could not be written, and is told later');
      // After a STORE_ error the fact may be there or not.
      void persistently(world, signal, 'the ledger cannot be told yet', async () => {
        const isNamed = await namedSince(world, begun, signal);
        if (!isNamed(fact.action, fact.details.operation)) await tell();
      }).catch(() => {});
    }
  } catch (thrown) {
    if (!isCode(thrown, 'NOT_LEADER')) throw thrown;
    world.log.error({ err: thrown, action: fact.action, subject: fact.subject }, 'the ledger is told by the next leader');
  }
}

/** Tells the ledger of restores and failed backups since then whose end it does not name: it was away then, or their process was. STORE_ codes. */
export async function tellOfEnds(world: World, { since, signal }: { readonly since: Date; readonly signal: AbortSignal }): Promise<void> {
  const ended = await endedSince(world, since, signal);
  if (ended.length === 0) return;
  try {
    const isNamed = await namedSince(world, since, signal);
    for (const operation of ended) {
      const { id, kind } = operation.request;
      const isTold = kind === 'restore' ? !isNamed('restore.started', id) || isNamed('restore.ended', id) : isNamed('backup.failed', id);
      if (isTold) continue;
      currentTerm(world);
      await world.ledger.append(factOf(operation));
    }
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    world.log.error({ err: thrown }, 'which ends the ledger was told of cannot be read');
  }
}

async function endedSince(world: World, since: Date, signal: AbortSignal): Promise<Operation[]> {
  const own = { limit: operationsLookedAt, matches: ({ request }: Operation) => isOfHome(world, request.cluster) };
  const some = [
    ...(await world.operations.list({ kind: 'restore', ...own }, signal)),
    ...(await world.operations.list({ kind: 'backup', phase: 'Failed', ...own }, signal)),
  ];
  return some.filter(({ phase, result }) => isEnded(phase) && result !== undefined && Date.parse(result.finishedAt) >= since.getTime());
}

/** Does an entry of that action name the operation? */
type IsNamed = (action: LedgerFact['action'], operation: string) => boolean;

async function namedSince(world: World, since: Date, signal: AbortSignal): Promise<IsNamed> {
  const found = new Set<string>();
  for await (const { action, details } of entriesSince(world, since, signal)) found.add(`${action} ${details['operation']}`);
  return (action, operation) => found.has(`${action} ${operation}`);
}

function factOf({ request, phase, result }: Operation): LedgerFact {
  const { id, kind, actor, subject, parameters } = request;
  const about = { operation: id, ...(result?.error !== undefined && { error: result.error }), toldLater: true };
  if (kind === 'backup') {
    const { tier, fires = [] } = parameters;
    return { action: 'backup.failed', actor, subject, details: { tier, fires, ...about } };
  }
  const { totals, durationMs } = result?.summary ?? {};
  return { action: 'restore.ended', actor, subject, details: { phase, totals, durationMs, ...about } };
}

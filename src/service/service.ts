import { wipe } from '../api/identity.ts';
import type { Operations as ApiOperations, ObjectiveStatus, OperationQuery, Page, Readiness, Service } from '../api/service.ts';
import { scopeContains } from '../domain/namespace-scope.ts';
import type { Operation } from '../domain/operation.ts';
import type { Operations } from '../operations/operations.ts';
import { verifyLedger } from '../repository/ledger-verify.ts';
import { backupsOf } from './backups.ts';
import { createBoundedQueue } from './bounded-queue.ts';
import type { Prepared } from './job.ts';
import { prepare } from './jobs.ts';
import { planFor } from './restore-jobs.ts';
import { retentionOf } from './retention.ts';
import { openPlanner } from './retention-planner.ts';
import { volumesOf } from './volumes.ts';
import { currentTerm, record, recordRefusal, type World } from './world.ts';

export interface ServiceOptions {
  readonly readiness: () => readonly Readiness[];
  readonly objectives: () => readonly ObjectiveStatus[];
}

/** A plan holds what the cluster has in memory, and a check of the ledger reads all of it. */
const heavyAtOnce = 2;
const mostWaiting = 20;

/** The service as the API sees it. */
export function createService(world: World, { readiness, objectives }: ServiceOptions): Service {
  const planner = openPlanner(world);
  world.operations.subscribe((type, operation) => {
    const { namespaces } = operation.request;
    world.events.publish({
      type: type === 'changed' ? 'operation.changed' : 'operation.progress',
      at: world.runtime.now().toISOString(),
      operation,
      ...(namespaces !== undefined && { namespaces }),
    });
  });
  const plans = createBoundedQueue(heavyAtOnce, mostWaiting);
  const checks = createBoundedQueue(heavyAtOnce, mostWaiting);
  return {
    version: world.version,
    backups: backupsOf(world, planner),
    operations: operationsOf(world),
    retention: retentionOf(world, planner),
    volumes: volumesOf(world),
    planRestore: (request, caller, signal) => plans.run(() => planFor(world, request, caller, signal), signal),
    policies: () => world.rules().policies,
    objectives: async () => objectives(),
    ledger: async ({ limit, after, action }, signal) => {
      const before = after === undefined ? {} : { before: Number(after) };
      const items = await world.ledger.read({ limit: limit + 1, ...before, ...(action !== undefined && { action }) }, { signal });
      const page = items.slice(0, limit);
      return { items: page, ...(items.length > limit && { next: String(page.at(-1)!.seq) }) };
    },
    verifyLedger: (expected, signal) =>
      checks.run(() => verifyLedger(world.repository, { trusted: world.keys.trusted, expected, signal }), signal),
    subscribe: world.events.subscribe,
    refused: ({ actor, request, code, reason, count }) => {
      world.log.warn({ actor: actor.name, request, code, reason, count }, 'a request was refused');
      void recordRefusal(world, { actor, subject: request, details: { code, reason, count } });
    },
    readiness,
  };
}

function operationsOf(world: World): ApiOperations {
  const { operations } = world;
  return {
    start: async (asked, caller, { idempotency, signal }) => {
      const identity = 'identity' in asked ? asked.identity : undefined;
      let job: Prepared | undefined;
      try {
        currentTerm(world);
        // Answered as it was then, though what it named may be gone.
        const before = idempotency === undefined ? undefined : await operations.known(idempotency);
        if (before !== undefined) {
          wipe(identity);
          return before;
        }
        job = await prepare(world, asked, caller, signal);
        const submission = { ...job.submission, ...(idempotency !== undefined && { idempotency }) };
        const { operation, isNew } = await operations.submit(submission, job.work);
        if (isNew) void releaseAtEnd(operations, operation.request.id, job);
        else job.release?.();
        return operation;
      } catch (thrown) {
        wipe(identity);
        job?.release?.();
        throw thrown;
      }
    },
    list: async (query, signal) => {
      const items = await operations.list({ ...filterOf(query), limit: query.limit + 1 }, signal);
      return pageOf(items, query.limit);
    },
    get: (id, signal) => operations.get(id, signal),
    log: (id, query, signal) => operations.log(id, query, signal),
    cancel: async (id, caller) => {
      const operation = await operations.cancel(id, caller.actor);
      await record(world, { action: 'operation.cancelled', actor: caller.actor, subject: id, details: { kind: operation.request.kind } });
      return operation;
    },
  };
}

/** Also where it was called off before it began. */
async function releaseAtEnd(operations: Operations, id: string, { release }: Prepared): Promise<void> {
  await operations.ended(id).catch(() => {});
  release?.();
}

function filterOf({ kind, phase, after, within }: OperationQuery) {
  return {
    ...(kind !== undefined && { kind }),
    ...(phase !== undefined && { phase }),
    ...(after !== undefined && { after }),
    ...(within !== undefined && { matches: (operation: Operation) => isWithin(operation, within) }),
  };
}

/** Is it an operation of somebody who was restricted to namespaces that all are among these? */
function isWithin({ request }: Operation, within: readonly string[]): boolean {
  return request.namespaces?.every(namespace => scopeContains(within, namespace)) ?? false;
}

function pageOf(items: readonly Operation[], limit: number): Page<Operation> {
  const page = items.slice(0, limit);
  return { items: page, ...(items.length > limit && { next: page.at(-1)!.request.id }) };
}

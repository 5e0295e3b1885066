import { wipe } from '../../src/api/identity.ts';
import type { Operations, Page, PageQuery, ServiceEvent, Work } from '../../src/api/service.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { scopeContains } from '../../src/domain/namespace-scope.ts';
import { type EndedPhase, isEnded, type Operation, type OperationLogLine } from '../../src/domain/operation.ts';
import type { Runtime } from '../../src/domain/runtime.ts';
import { newSetId } from '../../src/domain/set-id.ts';

export interface MemoryOperations extends Operations {
  /** Text of every identity that came with a request, for tests to look for. */
  readonly identities: string[];
  /** The very memory that holds them. */
  readonly held: Uint8Array[];
  report(id: string, objects: number): void;
  end(id: string, phase: EndedPhase): void;
}

interface Options {
  readonly runtime: Pick<Runtime, 'now' | 'random'>;
  readonly emit: (event: ServiceEvent) => void;
  /** Throws where the work cannot be done. */
  readonly check: (work: Work) => void;
}

const subjects = {
  backup: work => work.tier ?? 'manual',
  restore: work => work.set,
  'volume-restore': work => work.set,
  verify: work => work.set,
  validate: work => work.set,
  retention: work => work.plan,
  delete: work => work.set,
} as const satisfies { readonly [Kind in Work['kind']]: (work: Extract<Work, { kind: Kind }>) => string };

/** The promises of the port, kept in memory: work is recorded, runs until a test ends it, and lets go of identities then. */
export function createMemoryOperations({ runtime, emit, check }: Options): MemoryOperations {
  const operations = new Map<string, Operation>();
  const works = new Map<string, Work>();
  const logs = new Map<string, OperationLogLine[]>();
  const identities: string[] = [];
  const held: Uint8Array[] = [];
  const now = () => runtime.now().toISOString();

  const put = (operation: Operation, type: ServiceEvent['type'] = 'operation.changed'): Operation => {
    operations.set(operation.request.id, operation);
    emit({ type, at: now(), operation });
    return operation;
  };
  const existing = (id: string): Operation => {
    const found = operations.get(id);
    if (found === undefined) throw new HoldfastError('OPERATION_NOT_FOUND', `there is no operation ${id}`);
    return found;
  };
  const end = (id: string, phase: EndedPhase): void => {
    const operation = existing(id);
    const startedAt = operation.startedAt ?? now();
    const work = works.get(id);
    if (work !== undefined && 'identity' in work) wipe(work.identity);
    put({ request: operation.request, phase, startedAt, result: { id, phase, startedAt, finishedAt: now(), summary: { objects: 2 } } });
  };

  return {
    identities,
    held,
    end,
    report: (id, objects) => {
      put({ ...existing(id), progress: { phase: 'read', objects } }, 'operation.progress');
      logs.get(id)?.push({ at: now(), level: 'info', message: `${objects} objects` });
    },
    start: async (work, caller, { idempotency }) => {
      check(work);
      const before = [...operations.values()].find(
        ({ request }) => idempotency !== undefined && request.idempotency?.key === idempotency.key,
      );
      if (before !== undefined) {
        if (before.request.idempotency?.body !== idempotency?.body) {
          throw new HoldfastError('IDEMPOTENCY_MISMATCH', `the key was used for ${before.request.id}`);
        }
        if ('identity' in work) wipe(work.identity);
        return before;
      }
      if ('identity' in work && work.identity?.from === 'value') {
        identities.push(Buffer.from(work.identity.bytes).toString('utf8'));
        held.push(work.identity.bytes);
      }
      const { kind: asked, ...parameters } = work;
      const kind = asked === 'volume-restore' ? 'restore' : asked;
      const id = newSetId(runtime.now(), kind, runtime.random(4));
      works.set(id, work);
      logs.set(id, [{ at: now(), level: 'info', message: `${work.kind} started` }]);
      return put({
        request: {
          ...{ id, kind, actor: caller.actor, createdAt: now() },
          subject: (subjects[asked] as (work: Work) => string)(work),
          parameters: JSON.parse(JSON.stringify({ ...parameters, identity: undefined })) as Record<string, unknown>,
          ...(caller.namespaces !== undefined && { namespaces: caller.namespaces }),
          ...(idempotency !== undefined && { idempotency }),
        },
        phase: 'Running',
        startedAt: now(),
      });
    },
    list: async query => {
      const { kind, phase, within } = query;
      const wanted = [...operations.values()].filter(
        ({ request, phase: current }) =>
          (kind === undefined || request.kind === kind) &&
          (phase === undefined || current === phase) &&
          (within === undefined || (request.namespaces?.every(name => scopeContains(within, name)) ?? false)),
      );
      return pageOf(wanted, ({ request }) => request.id, query);
    },
    get: async id => operations.get(id),
    log: async (id, { from, limit }) => (logs.get(id) ?? []).slice(from, from + limit),
    cancel: async id => {
      if (isEnded(existing(id).phase)) throw new HoldfastError('OPERATION_ENDED', `${id} has ended`);
      end(id, 'Cancelled');
      return existing(id);
    },
  };
}

/** Newest first by id. */
export function pageOf<T>(all: readonly T[], idOf: (item: T) => string, { limit, after }: PageQuery): Page<T> {
  const following = all.filter(item => after === undefined || idOf(item) < after).sort((a, b) => (idOf(a) < idOf(b) ? 1 : -1));
  const items = following.slice(0, limit);
  const last = items.at(-1);
  return { items, ...(following.length > limit && last !== undefined && { next: idOf(last) }) };
}

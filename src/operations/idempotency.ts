import { HoldfastError, isCode } from '../domain/errors.ts';
import type { OperationRequest } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { mapAhead } from '../repository/concurrency.ts';
import { operationIds, readOperationRequest } from '../repository/operation-records.ts';
import type { Repository } from '../repository/repository.ts';
import type { Submission } from './job.ts';

const readsAhead = 16;
/** How long a key stands for its request. */
const rememberedMs = 24 * 3_600_000;

/** A key, from the moment on when its record is being made. */
interface Used {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly body: string;
  /** Id of the operation; rejects where it was not recorded. */
  readonly id: Promise<string>;
}

export type Given = NonNullable<Submission['idempotency']>;

export interface IdempotencyKeys {
  /** The operation that the key stands for already. IDEMPOTENCY_MISMATCH when it was used for another body. */
  find(given: Given): Promise<string | undefined>;
  /**
   * `make` is called unless the key was used within a day; two calls with one key at the same moment are one. IDEMPOTENCY_MISMATCH when it
   * was used for another body.
   */
  claim(
    given: Given | undefined,
    make: () => Promise<OperationRequest>,
  ): Promise<{ readonly id: string; readonly isNew: boolean; readonly request?: OperationRequest }>;
  /** What was read is read again when next needed; what this process has recorded, or is recording, it knows. */
  forget(): void;
}

/** The records themselves are the memory: a restarted service knows the keys of yesterday. */
export function createIdempotencyKeys(
  repository: Repository,
  runtime: Runtime,
  isForeign: (request: OperationRequest) => boolean = () => false,
): IdempotencyKeys {
  let loading: Promise<Map<string, Used>> | undefined;
  const own = new Map<string, Used>();

  const load = async (): Promise<Map<string, Used>> => {
    const used = new Map<string, Used>();
    const since = new Date(runtime.now().getTime() - rememberedMs);
    for await (const request of mapAhead(operationIds(repository, { since }), readsAhead, id => readable(repository, id))) {
      if (request?.idempotency === undefined || isForeign(request)) continue;
      const { key, body } = request.idempotency;
      used.set(key, { at: Date.parse(request.createdAt), body, id: Promise.resolve(request.id) });
    }
    for (const [key, use] of own) used.set(key, use);
    return used;
  };

  const known = async (): Promise<Map<string, Used>> => {
    loading ??= load();
    const used = await loading.catch(thrown => {
      loading = undefined;
      throw thrown;
    });
    for (const map of [used, own]) dropOld(map, runtime.now().getTime());
    return used;
  };

  const find = async (used: Map<string, Used>, { key, body }: Given): Promise<string | undefined> => {
    const look = () => own.get(key) ?? used.get(key);
    for (let use = look(); use !== undefined; use = look()) {
      const id = await use.id.catch(() => undefined);
      if (id !== undefined) {
        if (use.body === body) return id;
        throw new HoldfastError('IDEMPOTENCY_MISMATCH', `this Idempotency-Key was used for another request, which became ${id}`);
      }
      for (const map of [used, own]) if (map.get(key) === use) map.delete(key);
    }
    return undefined;
  };

  return {
    claim: async (given, make) => {
      if (given === undefined) {
        const request = await make();
        return { id: request.id, isNew: true, request };
      }
      const used = await known();
      do {
        const id = await find(used, given);
        if (id !== undefined) return { id, isNew: false };
      } while (own.has(given.key));
      // Nothing is awaited between the last look and this line: of two calls at one moment, the second sees the first.
      const making = make();
      const use: Used = { at: runtime.now().getTime(), body: given.body, id: making.then(request => request.id) };
      for (const map of [used, own]) map.set(given.key, use);
      use.id.catch(() => {});
      const request = await making;
      return { id: request.id, isNew: true, request };
    },
    find: async given => find(await known(), given),
    forget: () => {
      loading = undefined;
    },
  };
}

function dropOld(used: Map<string, Used>, now: number): void {
  for (const [key, { at }] of used) if (now - at >= rememberedMs) used.delete(key);
}

/** A record that cannot be read must not keep all others from being asked for. */
async function readable(repository: Repository, id: string): Promise<OperationRequest | undefined> {
  try {
    return await readOperationRequest(repository, id);
  } catch (thrown) {
    if (isCode(thrown, 'BACKUP_CORRUPT')) return undefined;
    throw thrown;
  }
}

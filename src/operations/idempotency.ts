import { HoldfastError } from '../domain/errors.ts';
import type { OperationRequest } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { setTime } from '../domain/set-id.ts';
import { operationIds, readOperationRequest } from '../repository/operation-records.ts';
import type { Repository } from '../repository/repository.ts';

/** How long a key stands for its request. */
const rememberedMs = 24 * 3_600_000;

interface Used {
  readonly id: string;
  readonly body: string;
  readonly at: number;
}

export interface IdempotencyKeys {
  /**
   * `make` is called unless the key was used within a day; two calls with one key at the same moment are one. IDEMPOTENCY_MISMATCH when it
   * was used for another body.
   */
  claim(
    given: { readonly key: string; readonly body: string } | undefined,
    make: () => Promise<OperationRequest>,
  ): Promise<{ readonly id: string; readonly isNew: boolean; readonly request?: OperationRequest }>;
  /** What was read is read again when next needed. */
  forget(): void;
}

/** The records themselves are the memory: a restarted service knows the keys of yesterday. */
export function createIdempotencyKeys(repository: Repository, runtime: Runtime): IdempotencyKeys {
  let loading: Promise<Map<string, Promise<Used>>> | undefined;

  const load = async (): Promise<Map<string, Promise<Used>>> => {
    const used = new Map<string, Promise<Used>>();
    const since = runtime.now().getTime() - rememberedMs;
    for await (const id of operationIds(repository)) {
      if ((setTime(id)?.getTime() ?? 0) < since) continue;
      const request = await readOperationRequest(repository, id);
      if (request?.idempotency === undefined) continue;
      const { key, body } = request.idempotency;
      used.set(key, Promise.resolve({ id, body, at: Date.parse(request.createdAt) }));
    }
    return used;
  };

  return {
    claim: async (given, make) => {
      if (given === undefined) {
        const request = await make();
        return { id: request.id, isNew: true, request };
      }
      loading ??= load();
      const used = await loading.catch(thrown => {
        loading = undefined;
        throw thrown;
      });
      const now = runtime.now().getTime();
      for (let known = used.get(given.key); known !== undefined; known = used.get(given.key)) {
        const before = await known.catch(() => undefined);
        if (before !== undefined && now - before.at < rememberedMs) {
          if (before.body === given.body) return { id: before.id, isNew: false };
          throw new HoldfastError('IDEMPOTENCY_MISMATCH', `this Idempotency-Key was used for another request, which became ${before.id}`);
        }
        if (used.get(given.key) === known) used.delete(given.key);
      }
      // Nothing is awaited between the look above and this line: of two calls at one moment, the second sees the first.
      const making = make();
      const use = making.then(request => ({ id: request.id, body: given.body, at: now }));
      used.set(given.key, use);
      use.catch(() => {});
      const request = await making;
      return { id: request.id, isNew: true, request };
    },
    forget: () => {
      loading = undefined;
    },
  };
}

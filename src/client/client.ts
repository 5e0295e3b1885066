import type { AnswerOf, Endpoint } from '../api/endpoint.ts';
import { endpoints } from '../api/endpoints.ts';
import type { OperationView } from '../api/schemas/operation.ts';
import { HoldfastError } from '../domain/errors.ts';
import { isEnded } from '../domain/operation.ts';
import { type Arguments, type CallOptions, type ClientOptions, callEndpoint } from './call.ts';
import { type StreamedEvent, watchEvents } from './events.ts';

type Endpoints = typeof endpoints;
type Method<E extends Endpoint> =
  Record<never, never> extends Arguments<E> ? (args?: Arguments<E>) => Promise<AnswerOf<E>> : (args: Arguments<E>) => Promise<AnswerOf<E>>;

/** `client.backups.list({ query: { tier: 'daily' } })`: one method for every endpoint, with the types of its schemas. */
export type Resources = {
  readonly [R in Exclude<keyof Endpoints, 'events'>]: {
    readonly [N in keyof Endpoints[R]]: Endpoints[R][N] extends Endpoint ? Method<Endpoints[R][N]> : never;
  };
};

export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** Told of every state that was seen, the last one included. */
  readonly onState?: (operation: OperationView) => void;
}

export interface Client extends Resources {
  /** Every item of a list, page by page, newest first. */
  all<Item>(
    page: (from: { readonly continue?: string }) => Promise<{ readonly items: readonly Item[]; readonly continue?: string }>,
  ): AsyncGenerator<Item>;
  /** Waits until the operation has ended, however it did, asking as often as the service wishes. OPERATION_NOT_FOUND. */
  waitFor(id: string, options?: WaitOptions): Promise<OperationView>;
  /** See `watchEvents`. */
  watch(options?: { readonly signal?: AbortSignal; readonly lastId?: string }): AsyncGenerator<StreamedEvent>;
}

const askEveryMs = 1_000;

/** A client of a service. Opens nothing by itself; the caller closes the dispatcher that it brought. */
export function createClient(options: ClientOptions): Client {
  const resources = Object.fromEntries(
    Object.entries(endpoints).map(([resource, methods]) => [
      resource,
      Object.fromEntries(
        Object.entries(methods as Readonly<Record<string, Endpoint>>).map(([name, endpoint]) => [
          name,
          async (args: CallOptions = {}) => (await callEndpoint(options, endpoint, args)).value,
        ]),
      ),
    ]),
  ) as unknown as Resources;
  return {
    ...resources,
    all: async function* all(page) {
      for (let from: { readonly continue?: string } = {}; ; ) {
        const { items, continue: next } = await page(from);
        yield* items;
        if (next === undefined) return;
        from = { continue: next };
      }
    },
    waitFor: (id, wait = {}) => waitFor(options, id, wait),
    watch: (watch = {}) => watchEvents(options, watch),
  };
}

async function waitFor(options: ClientOptions, id: string, { signal, onState }: WaitOptions): Promise<OperationView> {
  const args = { params: { id }, ...(signal !== undefined && { signal }) };
  for (;;) {
    const { value, retryAfterMs } = await callEndpoint(options, endpoints.operations.get, args);
    const operation = value as OperationView;
    onState?.(operation);
    if (isEnded(operation.phase)) return operation;
    await options.runtime.sleep(retryAfterMs ?? askEveryMs, signal);
  }
}

/** What an operation ended with, thrown if it was an error. */
export function requireSuccess(operation: OperationView): OperationView {
  const { error, id, phase } = operation;
  if (error === undefined) return operation;
  throw new HoldfastError(error.code as HoldfastError['code'], `${id} ended as ${phase}: ${error.message}`, { hint: error.hint });
}

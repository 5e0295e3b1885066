import type { Dispatcher, WebSocket } from 'undici';
import { HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { Connection, Credentials } from './connection.ts';
import { BrokenAnswer, type Refusal, RefusedError, readRefusal, unreachableError } from './failures.ts';
import { openPools, type Pools } from './pools.ts';
import { type RetryPolicy, retryAfterMs, retryDelay } from './retry.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly accept?: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  /** Refusals that say that nothing was done and that asking again helps, beyond those that always do. */
  readonly passing?: (refusal: Refusal) => boolean;
  /** May it be carried out twice? Asked when it failed, for an answer that was already passed on cannot be asked for again. */
  readonly repeatable: () => boolean;
  /** How far a long answer had come, for the message of its failure: `after 300 items`. */
  readonly progress?: () => string;
  /** A list or a watch: has connections of its own, so that it never keeps a short call waiting. */
  readonly long?: boolean;
  /** The longest silence borne, milliseconds. */
  readonly silenceMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  /** Bytes as they arrive; fails when the connection does, which `exchange` tells from other failures of the reader. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface Transport {
  readonly server: string;
  /** Sends the request and has its 2xx answer read, again where that is right and within the policy. Fails with HoldfastErrors, and with what `read` throws. */
  exchange<T>(request: ApiRequest, read: (answer: Answer) => Promise<T>): Promise<T>;
  /** A WebSocket to the path, with the same certificates, proxy and credentials; it may still fail to open. */
  socket(path: string, protocols: string[]): Promise<WebSocket>;
  close(): Promise<void>;
}

export interface TransportOptions {
  readonly runtime: Runtime;
  readonly retry: RetryPolicy;
  /** For short calls. */
  readonly connections: number;
  readonly userAgent: string;
}

const defaultSilenceMs = 75_000;
const longestRefusal = 64 * 1024;

export function createTransport(connection: Connection, options: TransportOptions): Transport {
  const { runtime } = options;
  const pools = currentPools(connection, options.connections);
  let contacted = false;

  async function once<T>(request: ApiRequest, read: (answer: Answer) => Promise<T>): Promise<T> {
    request.signal?.throwIfAborted();
    const credentials = await connection.credentials();
    const data = await send(pools.for(credentials), request, { ...baseHeaders(request, options.userAgent), ...credentials.headers });
    contacted = true;
    const chunks: AsyncIterable<Uint8Array> = data.body;
    try {
      if (data.statusCode >= 300) {
        const refusal = readRefusal(data.statusCode, await readText(chunks, longestRefusal));
        throw new RefusedError(nameOf(request), refusal, retryAfterMs(headerOf(data, 'retry-after'), runtime.now()));
      }
      return await read({ status: data.statusCode, contentType: headerOf(data, 'content-type') ?? '', chunks });
    } catch (thrown) {
      throw thrown === data.body.errored ? new BrokenAnswer('answer cut', { cause: thrown }) : thrown;
    } finally {
      data.body.destroy();
    }
  }

  async function exchange<T>(request: ApiRequest, read: (answer: Answer) => Promise<T>): Promise<T> {
    const startedAt = runtime.now().getTime();
    let renewed = false;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await once(request, read);
      } catch (thrown) {
        if (request.signal?.aborted) throw abortError(request.signal);
        if (thrown instanceof RefusedError && thrown.refusal.status === 401 && !renewed && connection.renew()) {
          renewed = true;
          continue;
        }
        const elapsedMs = runtime.now().getTime() - startedAt;
        const passing = thrown instanceof RefusedError && request.passing?.(thrown.refusal) === true;
        const failure = { thrown, attempt, elapsedMs, repeatable: request.repeatable(), passing, contacted };
        const delay = retryDelay(options.retry, failure, runtime);
        if (delay === undefined) throw finalError(thrown, request, connection.server);
        await pause(delay, request.signal);
      }
    }
  }

  async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await runtime.sleep(ms, signal);
    } catch (thrown) {
      throw signal?.aborted ? abortError(signal) : thrown;
    }
  }

  async function socket(path: string, protocols: string[]): Promise<WebSocket> {
    const { openWebSocket } = await import('./web-socket.ts');
    const credentials = await connection.credentials();
    const { origin, prefix, long } = pools.for(credentials);
    const url = `${origin.replace(/^http/, 'ws')}${prefix}${path}`;
    const headers = { 'user-agent': options.userAgent, ...credentials.headers };
    return openWebSocket(url, { protocols, dispatcher: long, headers: headersOf(headers) });
  }

  return { server: connection.server, exchange, socket, close: () => pools.close() };
}

function headersOf(all: Readonly<Record<string, string | string[]>>): [string, string][] {
  return Object.entries(all).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one): [string, string] => [name, one]),
  );
}

/** The pools of the credentials in use; when a plugin hands out another client certificate, new connections must be made with it. */
function currentPools(connection: Connection, connections: number): { for(credentials: Credentials): Pools; close(): Promise<void> } {
  let current: { cert: string | undefined; pools: Pools } | undefined;
  const closing: Promise<void>[] = [];
  return {
    for(credentials) {
      if (current === undefined || current.cert !== credentials.cert) {
        if (current !== undefined) closing.push(current.pools.finish());
        current = { cert: credentials.cert, pools: openPools(connection, credentials, connections) };
      }
      return current.pools;
    },
    async close() {
      await current?.pools.destroy();
      await Promise.all(closing);
    },
  };
}

function baseHeaders(request: ApiRequest, userAgent: string): Record<string, string> {
  const headers: Record<string, string> = {
    accept: request.accept ?? 'application/json',
    // Compressing costs the API server more than the network of a cluster saves.
    'accept-encoding': 'identity',
    'user-agent': userAgent,
  };
  if (request.body !== undefined) headers['content-type'] = request.contentType ?? 'application/json';
  return headers;
}

async function send(pools: Pools, request: ApiRequest, headers: Record<string, string | string[]>): Promise<Dispatcher.ResponseData> {
  const silenceMs = request.silenceMs ?? defaultSilenceMs;
  const pool = request.long === true ? pools.long : pools.short;
  try {
    return await pool.request({
      origin: pools.origin,
      method: request.method,
      path: pools.prefix + request.path,
      headers,
      body: request.body ?? null,
      signal: request.signal ?? null,
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
    });
  } catch (thrown) {
    throw new BrokenAnswer('no answer', { cause: thrown });
  }
}

/** The whole answer as text, or its first `limit` bytes. */
export async function readText(chunks: AsyncIterable<Uint8Array>, limit = Number.POSITIVE_INFINITY): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    size += chunk.length;
    if (size >= limit) break;
  }
  return Buffer.concat(parts).toString('utf8');
}

function headerOf(data: Dispatcher.ResponseData, name: string): string | undefined {
  const value = data.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function nameOf(request: ApiRequest): string {
  return `${request.method} ${request.path.split('?', 1)[0]}`;
}

function finalError(thrown: unknown, request: ApiRequest, server: string): unknown {
  if (!(thrown instanceof BrokenAnswer)) return thrown;
  const progress = request.progress?.();
  const what = progress === undefined ? nameOf(request) : `${nameOf(request)}, ${progress}`;
  return thrown.cause === undefined
    ? new HoldfastError('CLUSTER_ERROR', `${what}: ${thrown.message}`)
    : unreachableError(what, server, thrown.cause);
}

function abortError(signal: AbortSignal): unknown {
  const { reason } = signal;
  if (reason instanceof HoldfastError) return reason;
  const timedOut = reason instanceof Error && reason.name === 'TimeoutError';
  return new HoldfastError(timedOut ? 'TIMEOUT' : 'INTERRUPTED', timedOut ? 'timed out' : 'interrupted', { cause: reason });
}

import { HoldfastError } from '../domain/errors.ts';
import { parseJson, stringAt } from '../domain/json.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { ClusterApi, WatchEvent } from './cluster-api.ts';
import { BrokenAnswer, RefusedError } from './failures.ts';
import { resourcePath, withQuery } from './paths.ts';
import type { Transport } from './transport.ts';

export type WatchOptions = Parameters<ClusterApi['watch']>[1];

/** How much longer than it announced a server may take to end a watch. */
const slackMs = 15_000;
/** etcd takes no object beyond a few MiB; a line that is longer comes from something else. */
const longestLine = 64 * 1024 * 1024;

/** One watch; it is not taken up again when it ends. Asked for again only while no event was delivered. */
export async function watchKind(transport: Transport, kind: ResourceKind, options: WatchOptions): Promise<void> {
  const path = withQuery(resourcePath(kind, options.namespace ?? ''), {
    watch: true,
    allowWatchBookmarks: true,
    resourceVersion: options.revision,
    timeoutSeconds: options.timeoutSeconds,
    labelSelector: options.labelSelector === '' ? undefined : options.labelSelector,
    fieldSelector: options.fieldSelector,
  });
  const silenceMs = options.timeoutSeconds * 1000 + slackMs;
  let delivered = 0;
  await transport.exchange(
    {
      method: 'GET',
      path,
      signal: options.signal,
      long: true,
      silenceMs,
      repeatable: () => delivered === 0,
      progress: () => `after ${delivered} events`,
    },
    async answer => {
      for await (const line of linesOf(answer.chunks)) {
        const event = readEvent(line, `watch of ${path}`);
        delivered += 1;
        if (!options.onEvent(event)) return;
      }
    },
  );
}

/** Lines without their newline, each in memory of its own or of its chunk. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      const last = chunk.subarray(from, end);
      const line = parts.length === 0 ? last : Buffer.concat([...parts, last]);
      parts = [];
      size = 0;
      from = end + 1;
      if (line.length > 0) yield line;
    }
    if (from === chunk.length) continue;
    parts.push(chunk.subarray(from));
    size += chunk.length - from;
    if (size > longestLine) throw new BrokenAnswer('a line of a watch is too long');
  }
  if (size > 0) throw new BrokenAnswer('a watch ended within a line');
}

const closeBrace = 0x7d;

const types = ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'] as const;
const heads = [...types, 'ERROR' as const].map(type => ({ type, head: Buffer.from(`{"type":"${type}","object":`) }));

/** The API server writes `{"type":"ADDED","object":{…}}`, in this order; the object's bytes are cut out as they are. */
function readEvent(line: Uint8Array, what: string): WatchEvent {
  for (const { type, head } of heads) {
    if (!begins(line, head)) continue;
    const object = line.subarray(head.length, line.length - 1);
    if (!isBraced(object) || line[line.length - 1] !== closeBrace) break;
    if (type === 'ERROR') throw eventError(object, what);
    return { type, object };
  }
  throw new HoldfastError('CLUSTER_ERROR', `${what}: a line that is no event`);
}

function isBraced(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x7b && bytes[bytes.length - 1] === closeBrace;
}

function begins(line: Uint8Array, head: Uint8Array): boolean {
  return line.length > head.length && Buffer.compare(line.subarray(0, head.length), head) === 0;
}

/** The object of an ERROR event is a `metav1.Status`. */
function eventError(object: Uint8Array, what: string): HoldfastError {
  const status = parseJson(Buffer.from(object).toString('utf8'));
  const code = Number((status as { code?: unknown } | null)?.code ?? 500);
  const message = stringAt(status, 'message') ?? 'error without a message';
  return new RefusedError(what, { status: code, reason: stringAt(status, 'reason') ?? '', message });
}

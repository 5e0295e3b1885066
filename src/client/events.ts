import { request } from 'undici';
import { eventEndpoints } from '../api/endpoints/events.ts';
import { HoldfastError } from '../domain/errors.ts';
import { type ClientOptions, headersOf, readAnswer, unreachable, urlOf } from './call.ts';

/** One Server-Sent Event. */
export interface StreamedEvent {
  /** `operation.changed`, `operation.progress`, `backup.changed`, …; `reset`: something was missed, read anew. */
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Where to go on from; absent for events that nobody has to see. */
  readonly id?: string;
}

const pauseMs = 2_000;
const mostPauseMs = 30_000;
const longestEvent = 1024 * 1024;

/**
 * Every event from now on, or after `lastId`, until the signal aborts. Connects again by itself and goes on where it was. Refusals
 * (REQUEST_ codes) are thrown.
 */
export async function* watchEvents(
  options: ClientOptions,
  { signal, lastId }: { readonly signal?: AbortSignal; readonly lastId?: string } = {},
): AsyncGenerator<StreamedEvent> {
  let last = lastId;
  for (let failures = 0; !signal?.aborted; ) {
    try {
      for await (const event of oneStream(options, last, signal)) {
        failures = 0;
        last = event.id ?? last;
        yield event;
      }
    } catch (thrown) {
      if (signal?.aborted) return;
      if (!(thrown instanceof HoldfastError) || !thrown.retryable) throw thrown;
      failures += 1;
    }
    if (signal?.aborted) return;
    await options.runtime.sleep(Math.min(pauseMs * 2 ** Math.min(failures, 4), mostPauseMs), signal).catch(() => {});
  }
}

async function* oneStream(
  options: ClientOptions,
  lastId: string | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<StreamedEvent> {
  const { dispatcher, url } = options;
  try {
    const response = await request(urlOf(options, eventEndpoints.watch, {}), {
      headers: { ...(await headersOf(options)), accept: 'text/event-stream', ...(lastId !== undefined && { 'last-event-id': lastId }) },
      ...(signal !== undefined && { signal }),
      ...(dispatcher !== undefined && { dispatcher }),
      bodyTimeout: 60_000, // a comment comes every 15 seconds
    });
    const type = String(response.headers['content-type'] ?? '');
    if (response.statusCode !== 200 || !type.startsWith('text/event-stream')) {
      throw readAnswer(url, response.statusCode === 200 ? 502 : response.statusCode, type, await response.body.text());
    }
    yield* eventsOf(response.body);
  } catch (thrown) {
    throw thrown instanceof HoldfastError ? thrown : unreachable(url, thrown);
  }
}

/** HTML Living Standard §9.2.6, of which the service uses the half. */
export async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamedEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const event = eventOf(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (event !== undefined) yield event;
    }
    if (rest.length > longestEvent) throw new HoldfastError('SERVICE_ERROR', 'an event does not end');
  }
}

function eventOf(block: string): StreamedEvent | undefined {
  const fields = new Map(block.split('\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trimStart()]));
  const [type, data, id] = [fields.get('event'), fields.get('data'), fields.get('id')];
  if (type === undefined || data === undefined) return undefined;
  return { type, data: JSON.parse(data) as Record<string, unknown>, ...(id !== undefined && { id }) };
}

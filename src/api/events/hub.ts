import type { ServerResponse } from 'node:http';
import { HoldfastError } from '../../domain/errors.ts';
import type { Runtime } from '../../domain/runtime.ts';
import type { ApiLimits } from '../limits.ts';
import type { Caller, ServiceEvent } from '../service.ts';
import { frame, type Message, messageOf } from './message.ts';
import { createEventRing } from './ring.ts';

/** Gives every event to every open stream that may see it. What waits for a slow reader is bounded; one that is slower is cut off. */
export interface EventHub {
  readonly open: number;
  /** STREAMS_EXHAUSTED where no further stream may be opened, before anything was written. */
  admit(caller: Caller): void;
  /** Streams to a response whose head is written, beginning with what came after `lastId`, until either side ends. */
  attach(caller: Caller, response: ServerResponse, lastId: string | undefined): void;
  publish(event: ServiceEvent): void;
  /** Ends all streams; who comes back misses nothing. */
  endStreams(): void;
  /** Ends all streams; none is admitted any more. */
  close(): void;
}

interface Stream {
  readonly caller: Caller;
  readonly response: ServerResponse;
  readonly since: number;
  /** The last event told, while others that it has missed wait for it to read. */
  behind: string | undefined;
}

type HubLimits = Pick<ApiLimits, 'streams' | 'streamsPerUser' | 'streamMs' | 'keepAliveMs' | 'streamBufferBytes' | 'eventsKept'>;

const comment = Buffer.from(':\n\n');
const reconnectMs = 2_000;

export function createEventHub(limits: HubLimits, runtime: Runtime): EventHub {
  const streams = new Set<Stream>();
  const ring = createEventRing<Message>(Buffer.from(runtime.random(6)).toString('hex'), limits.eventsKept);
  const stop = new AbortController();

  const write = ({ response }: Stream, bytes: Buffer): void => {
    if (response.writableEnded || response.destroyed) return;
    if (response.writableLength + bytes.length > limits.streamBufferBytes) response.destroy();
    else response.write(bytes);
  };

  /** Says that the connection lives, and ends what has lived long enough. A stream that does not end by itself is cut the time after. */
  const tend = (stream: Stream): void => {
    const age = runtime.now().getTime() - stream.since;
    if (stream.response.writableEnded) stream.response.destroy();
    else if (age >= limits.streamMs || age < 0) stream.response.end();
    else write(stream, comment);
  };

  const tendAll = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await runtime.sleep(Math.min(limits.keepAliveMs, limits.streamMs), stop.signal).catch(() => {});
      for (const stream of streams) tend(stream);
    }
  };
  void tendAll();

  const endStreams = (): void => {
    for (const { response } of streams) response.end();
  };

  const greet = (stream: Stream, lastId: string | undefined): void => {
    write(stream, Buffer.from(`retry: ${reconnectMs}\n\n`));
    if (lastId !== undefined && ring.after(lastId) === undefined) write(stream, frame('reset', '{}', ring.last));
    else {
      write(stream, frame('hello', '{}', lastId === undefined ? ring.last : undefined));
      stream.behind = lastId;
      catchUp(stream);
    }
  };

  /** Tells what was missed as fast as it is read, so that any number of events fits. */
  const catchUp = (stream: Stream): void => {
    const { response, caller } = stream;
    const missed = stream.behind === undefined ? [] : ring.after(stream.behind);
    if (missed === undefined) write(stream, frame('reset', '{}', ring.last));
    for (const { id, bytes, seenBy } of missed ?? []) {
      if (response.writableEnded || response.destroyed) return;
      if (response.writableLength > 0 && response.writableLength + bytes.length + comment.length > limits.streamBufferBytes) {
        response.write(comment, () => catchUp(stream));
        return;
      }
      if (seenBy(caller)) response.write(bytes);
      stream.behind = id;
    }
    stream.behind = undefined;
  };

  return {
    get open() {
      return streams.size;
    },
    admit: ({ actor }) => {
      if (stop.signal.aborted) throw new HoldfastError('SHUTTING_DOWN', 'the service is stopping');
      if (streams.size >= limits.streams) throw new HoldfastError('STREAMS_EXHAUSTED', `all ${limits.streams} event streams are in use`);
      const own = [...streams].filter(stream => stream.caller.actor.name === actor.name).length;
      if (own >= limits.streamsPerUser) {
        throw new HoldfastError('STREAMS_EXHAUSTED', `${actor.name} has ${own} event streams open, as many as one user may`);
      }
    },
    attach: (caller, response, lastId) => {
      const stream: Stream = { caller, response, since: runtime.now().getTime(), behind: undefined };
      streams.add(stream);
      response.once('close', () => streams.delete(stream));
      response.on('error', () => response.destroy());
      greet(stream, lastId);
    },
    publish: event => {
      if (streams.size === 0 && event.type === 'operation.progress') return;
      const passing = event.type === 'operation.progress';
      const message = passing ? messageOf(event) : ring.add(id => messageOf(event, id));
      for (const stream of streams) {
        // Who has not read the last step yet does not need this one.
        if (passing && stream.response.writableLength > 0) continue;
        // It is told in its turn.
        if (stream.behind !== undefined) continue;
        if (message.seenBy(stream.caller)) write(stream, message.bytes);
      }
    },
    endStreams,
    close: () => {
      stop.abort();
      endStreams();
    },
  };
}

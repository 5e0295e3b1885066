import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Lease, LeaseRecord, StoredLease } from '../../src/cluster/lease.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import type { Runtime } from '../../src/domain/runtime.ts';
import { seededRandom } from './faulty-store.ts';

/** A process of the world: what it sleeps for comes only while it is not stopped. */
export interface WorldProcess {
  readonly name: string;
  readonly runtime: Runtime;
  readonly monotonic: () => number;
  /** Its way to the one lease of the world. */
  readonly lease: Lease;
  /** Milliseconds by which its wall clock is wrong. */
  wallOffset: number;
  /** SIGSTOP and SIGCONT; never to be continued is SIGKILL. */
  stopped: boolean;
}

/** What becomes of one request to the lease's server; milliseconds. */
export interface Fate {
  readonly requestMs: number;
  readonly answerMs: number;
  /** `refused` does nothing; `lost` does it and never tells; `hangs` does it and never answers; a code is the server's answer. */
  readonly how: 'answered' | 'refused' | 'lost' | 'hangs' | 'forbidden';
}

/** Processes, their clocks and a server, all in a time that only `advance` moves. */
export interface World {
  /** Milliseconds since its beginning. */
  now(): number;
  /** Lets time pass, step by step; `look` is called after every step. */
  advance(ms: number, look?: () => void): Promise<void>;
  process(name: string, seed?: number): WorldProcess;
  /** The lease as it lies on the server; to be changed by hand. */
  readonly server: { record: LeaseRecord | undefined; revision: number; fate: (doing: 'read' | 'create' | 'replace') => Fate };
}

interface Sleeper {
  readonly at: number;
  readonly owner: WorldProcess | undefined;
  readonly wake: () => void;
}

const prompt: Fate = { requestMs: 2, answerMs: 2, how: 'answered' };
const beginning = Date.parse('2026-11-23T02:00:00Z');

export function createWorld(): World {
  let time = 0;
  const sleepers = new Set<Sleeper>();
  const server: World['server'] = { record: undefined, revision: 0, fate: () => prompt };

  function sleep(owner: WorldProcess | undefined, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      // As timers of Node: whole milliseconds, at least one.
      const sleeper: Sleeper = { at: time + Math.max(1, Math.ceil(ms)), owner, wake: resolve };
      sleepers.add(sleeper);
      signal?.addEventListener('abort', () => sleepers.delete(sleeper) && reject(signal.reason), { once: true });
    });
  }

  function next(until: number): Sleeper | undefined {
    const awake = [...sleepers].filter(sleeper => sleeper.owner?.stopped !== true && sleeper.at <= until);
    return awake.reduce<Sleeper | undefined>((first, one) => (first === undefined || one.at < first.at ? one : first), undefined);
  }

  return {
    now: () => time,
    server,
    advance: async (ms, look = () => {}) => {
      const until = time + ms;
      await nextTurn();
      look();
      for (let sleeper = next(until); sleeper !== undefined; sleeper = next(until)) {
        sleepers.delete(sleeper);
        time = Math.max(time, sleeper.at);
        sleeper.wake();
        await nextTurn();
        look();
      }
      time = until;
      look();
    },
    process: (name, seed = 1) => {
      const random = seededRandom(seed);
      const made: WorldProcess = {
        name,
        wallOffset: 0,
        stopped: false,
        monotonic: () => time,
        runtime: {
          now: () => new Date(beginning + time + made.wallOffset),
          random: bytes => Uint8Array.from({ length: bytes }, () => Math.floor(random() * 256)),
          sleep: (duration, signal) => sleep(made, duration, signal),
        },
        lease: leaseOn(server, (duration, mine) => sleep(mine ? made : undefined, duration)),
      };
      return made;
    },
  };
}

/** Every request, or those of one kind, ends so from now on. */
export function failing({ server }: World, how: Fate['how'], during?: string): void {
  server.fate = doing => ({ ...prompt, how: during === undefined || doing === during ? how : 'answered' });
}

/** `wait` of the server's own time, or of the process that asks: an answer does not reach it while it is stopped. */
function leaseOn(server: World['server'], wait: (ms: number, mine: boolean) => Promise<void>): Lease {
  const stored = (): StoredLease => ({ record: server.record!, json: String(server.revision) });
  const write = (record: LeaseRecord): StoredLease => {
    server.revision += 1;
    server.record = record;
    return stored();
  };
  async function ask<T>(doing: Parameters<World['server']['fate']>[0], run: () => T): Promise<T> {
    const { requestMs, answerMs, how } = server.fate(doing);
    await wait(requestMs, false);
    if (how === 'forbidden') throw new HoldfastError('CLUSTER_FORBIDDEN', 'may not');
    if (how === 'refused') throw new HoldfastError('CLUSTER_UNREACHABLE', 'connection refused');
    const outcome = await Promise.try(run).then(
      value => () => value,
      (thrown: unknown) => () => {
        throw thrown;
      },
    );
    if (how === 'hangs') await new Promise(() => {});
    await wait(answerMs, true);
    if (how === 'lost') throw new HoldfastError('CLUSTER_UNREACHABLE', 'connection reset');
    return outcome();
  }
  return {
    name: 'leases.coordination.k8s.io ops/holdfast',
    read: options =>
      until(
        options?.signal,
        ask('read', () => (server.record === undefined ? undefined : stored())),
      ),
    create: (record, options) =>
      until(
        options?.signal,
        ask('create', () => {
          if (server.record !== undefined) throw new HoldfastError('CLUSTER_CONFLICT', 'already exists');
          return write(record);
        }),
      ),
    replace: (previous, record, options) =>
      until(
        options?.signal,
        ask('replace', () => {
          if (server.record === undefined) throw new HoldfastError('CLUSTER_NOT_FOUND', 'not found');
          if (previous.json !== String(server.revision)) throw new HoldfastError('CLUSTER_CONFLICT', 'the object has been modified');
          return write(record);
        }),
      ),
  };
}

/** Given up when the signal is aborted; what was sent may still be carried out. */
function until<T>(signal: AbortSignal | undefined, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    answer.then(resolve, reject);
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

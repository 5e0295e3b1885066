import type { ClusterApi } from '../cluster/cluster-api.ts';
import { asHoldfastError, type HoldfastError, isCode } from '../domain/errors.ts';
import { microTime } from '../domain/micro-time.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { Runtime } from '../domain/runtime.ts';
import { type EventFact, type EventReason, eventReasons } from './event-reasons.ts';

/** The same fact within this time is counted in the Event of before. API servers keep Events for an hour, usually. */
export const repeatWithinMs = 30 * 60_000;
/** Beyond, Events are left out until the hour is over. */
export const mostPerHour = 60;
/** Facts that wait to be written. */
const mostWaiting = 32;
const writeMs = 10_000;
/** Bytes; the API server refuses longer notes. */
const longestNote = 1_024;
const hourMs = 3_600_000;

/** The object of the service that Events are about: its Lease, Pod or Namespace. */
export interface EventRegarding {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for a cluster-scoped object, whose Events lie in `default`. */
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
}

export interface EventRecorderOptions {
  readonly cluster: Pick<ClusterApi, 'create' | 'patch'>;
  readonly regarding: EventRegarding;
  /** Name of the pod, at most 128 characters. */
  readonly instance: string;
  readonly runtime: Pick<Runtime, 'now' | 'random'>;
  /** An Event was not written; the work goes on. Never throws. */
  readonly onTrouble: (error: HoldfastError, reason: EventReason) => void;
}

export interface EventRecorder {
  /** Writes in the background, in order. Never throws. */
  record(fact: EventFact): void;
  /** Resolves when all that was recorded is written or was given up. */
  idle(): Promise<void>;
}

const events: ResourceKind = {
  ...{ group: 'events.k8s.io', version: 'v1', resource: 'events', kind: 'Event' },
  ...{ namespaced: true, verbs: ['create', 'patch'], subresources: [] },
};
const controller = 'holdfast.dev/holdfast';

interface Written {
  readonly name: string;
  readonly count: number;
  readonly at: number;
}

/** Events for `kubectl describe` and `kubectl events`. Takes create and patch of events.k8s.io in one namespace. */
export function createEventRecorder({ cluster, regarding, instance, runtime, onTrouble }: EventRecorderOptions): EventRecorder {
  const namespace = regarding.namespace === '' ? 'default' : regarding.namespace;
  const known = new Map<string, Written>();
  let recent: number[] = [];
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();

  const write = async ({ reason, topic, note }: EventFact, at: Date): Promise<void> => {
    const key = `${reason} ${topic}`;
    for (const [one, { at: time }] of known) if (at.getTime() - time >= repeatWithinMs) known.delete(one);
    const before = known.get(key);
    if (before !== undefined && (await repeat(before, at))) {
      known.set(key, { ...before, count: before.count + 1, at: at.getTime() });
      return;
    }
    const name = `${regarding.name.slice(0, 200)}.${Buffer.from(runtime.random(8)).toString('hex')}`;
    const { type, action } = eventReasons[reason];
    const body = {
      ...{ apiVersion: 'events.k8s.io/v1', kind: 'Event', metadata: { name, namespace }, eventTime: microTime(at) },
      ...{ reportingController: controller, reportingInstance: instance.slice(0, 128), type, action, reason },
      regarding: { ...regarding, ...(regarding.namespace === '' && { namespace: undefined }) },
      note: shortened(note),
    };
    await cluster.create(events, namespace, JSON.stringify(body), { signal: AbortSignal.timeout(writeMs) });
    known.set(key, { name, count: 1, at: at.getTime() });
  };

  /** False where the Event of before is gone. */
  const repeat = async ({ name, count }: Written, at: Date): Promise<boolean> => {
    const body = JSON.stringify({ series: { count: count + 1, lastObservedTime: microTime(at) } });
    try {
      await cluster.patch(events, namespace, name, { type: 'merge', body }, { signal: AbortSignal.timeout(writeMs) });
      return true;
    } catch (thrown) {
      if (isCode(thrown, 'CLUSTER_NOT_FOUND')) return false;
      throw thrown;
    }
  };

  return {
    record: fact => {
      const at = runtime.now();
      recent = recent.filter(time => Math.abs(at.getTime() - time) < hourMs);
      if (recent.length >= mostPerHour || waiting >= mostWaiting) return;
      recent.push(at.getTime());
      waiting++;
      last = last
        .then(() => write(fact, at))
        .catch(thrown => onTrouble(asHoldfastError(thrown), fact.reason))
        .finally(() => {
          waiting--;
        });
    },
    idle: () => last,
  };
}

/** At most so many bytes of UTF-8, without half a character. */
function shortened(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= longestNote) return text;
  return `${new TextDecoder().decode(bytes.subarray(0, longestNote - 4), { stream: true })}…`;
}

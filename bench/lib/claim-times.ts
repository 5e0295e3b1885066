import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Api, openApi } from './api.ts';
import type { Bench } from './context.ts';

/** When something was first and last seen of one claim, milliseconds of `performance.now()`. */
interface Seen {
  /** Its VolumeSnapshot is asked for. */
  snapshot?: number;
  /** Its mover’s pod is made. */
  pod?: number;
  /** Its mover has ended. */
  ended?: number;
}

/** Seconds of the claims that took longest. */
export interface ClaimTimes {
  readonly claims: number;
  /** From its snapshot to the end of its mover, with all that it waited for in between. */
  readonly slowest: number;
  /** From the making of its mover’s pod to the mover’s end. */
  readonly slowestPod: number;
  /** Movers at a time, at most. */
  readonly atOnce: number;
}

export interface ClaimWatch {
  stop(): Promise<ClaimTimes>;
}

interface Event {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: {
    readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
    readonly status?: { readonly containerStatuses?: readonly { readonly state: { readonly terminated?: unknown } }[] };
  };
}

const claimLabel = 'holdfast.dev/claim';
const watchSeconds = 3_600;

/** Follows the snapshots of a namespace and the movers of another by the events of the cluster, as they come. */
export async function watchClaims(
  bench: Bench,
  { kubeconfig, namespace, movers }: { readonly kubeconfig: string; readonly namespace: string; readonly movers: string },
): Promise<ClaimWatch> {
  const api = await openApi(kubeconfig, 4);
  const seen = new Map<string, Seen>();
  let [running, atOnce] = [0, 0];
  const note = (event: Event, what: keyof Seen) => {
    const claim = event.object.metadata.labels?.[claimLabel];
    if (claim === undefined) return;
    const known = seen.get(claim) ?? {};
    seen.set(claim, known);
    if (known[what] !== undefined) return;
    known[what] = performance.now();
    running += { snapshot: 0, pod: 1, ended: -1 }[what];
    atOnce = Math.max(atOnce, running);
  };
  const closing: (() => void)[] = [];
  const follow = async (path: string, take: (event: Event) => void) => closing.push(await watch(api, path, take));
  await follow(`/apis/snapshot.storage.k8s.io/v1/namespaces/${namespace}/volumesnapshots`, event => {
    if (event.type === 'ADDED') note(event, 'snapshot');
  });
  await follow(`/api/v1/namespaces/${movers}/pods`, event => {
    if (event.type === 'ADDED') note(event, 'pod');
    const states = event.object.status?.containerStatuses ?? [];
    if (event.type === 'DELETED' || states.some(({ state }) => state.terminated !== undefined)) note(event, 'ended');
  });
  return {
    stop: async () => {
      const whole = () => [...seen.values()].every(({ snapshot, pod, ended }) => ![snapshot, pod, ended].includes(undefined));
      // What the service knows already may still be under way to here.
      for (let looks = 0; !whole() && looks < 100; looks++) await sleep(100, undefined, { signal: bench.signal });
      for (const close of closing) close();
      await api.close();
      if (seen.size === 0 || !whole()) throw new Error(`not everything was seen of the claims: ${JSON.stringify([...seen])}`);
      const slowest = (from: 'snapshot' | 'pod') => Math.max(...[...seen.values()].map(one => one.ended! - one[from]!)) / 1000;
      return { claims: seen.size, slowest: slowest('snapshot'), slowestPod: slowest('pod'), atOnce };
    },
  };
}

/** From now on; the answer’s head is there when it resolves. */
async function watch({ pool, headers, json }: Api, path: string, take: (event: Event) => void): Promise<() => void> {
  const { metadata } = await json<{ metadata: { resourceVersion: string } }>(`${path}?limit=1`);
  const query = new URLSearchParams({ watch: 'true', resourceVersion: metadata.resourceVersion, timeoutSeconds: `${watchSeconds}` });
  const answer = await pool.request({ path: `${path}?${query}`, method: 'GET', headers, bodyTimeout: 0 });
  if (answer.statusCode !== 200) throw new Error(`watching ${path}: ${answer.statusCode} ${await answer.body.text()}`);
  const body: Readable = answer.body;
  body.on('error', () => {});
  const lines = createInterface({ input: body });
  // What is not seen any more is missed at the end.
  lines.on('error', () => {});
  lines.on('line', line => take(JSON.parse(line) as Event));
  return () => body.destroy();
}

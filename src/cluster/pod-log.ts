import { isCode } from '../domain/errors.ts';
import type { CallOptions } from './cluster-api.ts';
import { resourcePath, withQuery } from './paths.ts';
import type { PodApi } from './pod-api.ts';
import type { Transport } from './transport.ts';

type Pod = Parameters<PodApi['log']>[0];

const silenceMs = 3_600_000;
/** Longer ones are cut: a log is for people. */
const longestLine = 64 * 1024;
const podKind = { group: '', version: 'v1', resource: 'pods', kind: 'Pod', namespaced: true, verbs: [], subresources: [] };

/** Follows a container's log. It is not taken up again when it breaks off: what counts is in the pod's status. */
export async function* podLog(transport: Transport, pod: Pod, { signal }: CallOptions): AsyncGenerator<string> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const lines: string[] = [];
  let wake: () => void = () => {};
  let failure: unknown;
  let ended = false;
  let delivered = false;
  const path = withQuery(resourcePath(podKind, pod.namespace, pod.name, 'log'), { container: pod.container, follow: true });
  const request = { method: 'GET', path, accept: '*/*', signal: either, long: true, silenceMs, repeatable: () => !delivered } as const;
  const reading = transport
    .exchange(request, async ({ chunks }) => {
      const decoder = new TextDecoder();
      let rest = '';
      for await (const chunk of chunks) {
        delivered = true;
        const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = (parts.pop() ?? '').slice(0, longestLine);
        lines.push(...parts);
        wake();
      }
      if (rest !== '') lines.push(rest);
    })
    .catch((thrown: unknown) => {
      // No such pod, or a container that has not begun or is gone.
      if (!either.aborted && !isCode(thrown, 'CLUSTER_NOT_FOUND', 'CLUSTER_REJECTED')) failure = thrown;
    })
    .finally(() => {
      ended = true;
      wake();
    });
  try {
    for (;;) {
      const line = lines.shift();
      if (line !== undefined) yield line;
      else if (ended) break;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    }
    if (failure !== undefined) throw failure;
  } finally {
    stop.abort();
    await reading;
  }
}

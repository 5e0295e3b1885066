import type { Connection } from './connection.ts';
import type { PodApi } from './pod-api.ts';
import { execInPod } from './pod-exec.ts';
import { podLog } from './pod-log.ts';
import { defaultRetry, type RetryPolicy } from './retry.ts';
import { createTransport, type TransportOptions } from './transport.ts';

export interface PodApiOptions extends Pick<TransportOptions, 'runtime'> {
  readonly retry?: Partial<RetryPolicy>;
  readonly userAgent?: string;
}

/** The port to what happens inside of pods, over the API server. Opens no connection before the first call. */
export function createPodApi(connection: Connection, options: PodApiOptions): PodApi & { close(): Promise<void> } {
  const transport = createTransport(connection, {
    runtime: options.runtime,
    retry: { ...defaultRetry, ...options.retry },
    connections: 8,
    userAgent: options.userAgent ?? 'holdfast',
  });
  return {
    exec: (pod, command, call) => execInPod(transport, options.runtime, pod, command, call),
    log: (pod, call = {}) => podLog(transport, pod, call),
    close: () => transport.close(),
  };
}

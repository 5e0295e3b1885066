import type { ClusterApi } from '../cluster/cluster-api.ts';
import { isCode } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';

export interface WaitOptions {
  readonly runtime: Runtime;
  /** Longest wait, milliseconds. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** Bound of every single wait unless told. */
export const defaultWaitMs = 120_000;
const betweenMs = 250;

/** Asks until `done` says so; false when `waitMs` went by before. */
export async function waitUntil(done: () => Promise<boolean>, { runtime, waitMs, signal }: WaitOptions): Promise<boolean> {
  const deadline = runtime.now().getTime() + waitMs;
  while (!(await done())) {
    if (runtime.now().getTime() >= deadline) return false;
    await runtime.sleep(betweenMs, signal);
  }
  return true;
}

/** Waits, for all writers at once, while the API server is away. */
export class Patience {
  readonly #cluster: ClusterApi;
  readonly #options: WaitOptions;
  #waiting: Promise<boolean> | undefined;

  constructor(cluster: ClusterApi, options: WaitOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /** Resolves when the server answers again; throws `thrown` when it does not in time. */
  async untilBack(thrown: unknown): Promise<void> {
    this.#waiting ??= waitUntil(() => this.#answers(), this.#options).finally(() => {
      this.#waiting = undefined;
    });
    if (!(await this.#waiting)) throw thrown;
  }

  async #answers(): Promise<boolean> {
    try {
      await this.#cluster.version({ signal: this.#options.signal });
      return true;
    } catch (thrown) {
      if (isCode(thrown, 'CLUSTER_UNREACHABLE', 'CLUSTER_ERROR', 'CLUSTER_THROTTLED')) return false;
      throw thrown;
    }
  }
}

import { isCode } from '../domain/errors.ts';

export interface LanesOptions {
  /** Most tasks under way at once. */
  readonly most: number;
  /** Milliseconds, from any fixed point. */
  readonly clock: () => number;
}

/** A write that takes longer than this, in the middle of many, is a server that is asked for too much. */
const slowMs = 2_000;
const windowSize = 50;

/**
 * Runs tasks side by side, as many as the API server bears: half as many after each refusal for overload, a fifth fewer while the median
 * answer is slow, one more after each good window.
 */
export class Lanes {
  readonly #options: LanesOptions;
  #limit: number;
  #running = 0;
  #waiting: (() => void)[] = [];
  #idle: (() => void)[] = [];
  #window: number[] = [];
  #failure: { thrown: unknown } | undefined;

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#limit = options.most;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Resolves once the task has begun; rejects with the first error that any task ended with. */
  async start(task: () => Promise<void>): Promise<void> {
    while (this.#running >= this.#limit && this.#failure === undefined) await new Promise<void>(resolve => this.#waiting.push(resolve));
    if (this.#failure !== undefined) throw this.#failure.thrown;
    this.#running++;
    void this.#run(task);
  }

  /** Resolves when nothing is under way any more, however it ended. */
  async settled(): Promise<void> {
    while (this.#running > 0) await new Promise<void>(resolve => this.#idle.push(resolve));
  }

  /** The same; rejects with the first error that any task ended with. */
  async drain(): Promise<void> {
    await this.settled();
    if (this.#failure !== undefined) throw this.#failure.thrown;
  }

  /** The server refused a task for overload. */
  throttled(): void {
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#window = [];
  }

  async #run(task: () => Promise<void>): Promise<void> {
    const startedAt = this.#options.clock();
    try {
      await task();
      this.#measure(this.#options.clock() - startedAt);
    } catch (thrown) {
      if (isCode(thrown, 'CLUSTER_THROTTLED')) this.throttled();
      this.#failure ??= { thrown };
    } finally {
      this.#running--;
      this.#wake();
    }
  }

  #measure(ms: number): void {
    this.#window.push(ms);
    if (this.#window.length < windowSize) return;
    const median = this.#window.sort((a, b) => a - b)[windowSize >> 1] ?? 0;
    this.#window = [];
    this.#limit = median > slowMs ? Math.max(1, Math.floor(this.#limit * 0.8)) : Math.min(this.#options.most, this.#limit + 1);
  }

  #wake(): void {
    const free = this.#failure === undefined ? this.#limit - this.#running : this.#waiting.length;
    for (const resolve of this.#waiting.splice(0, Math.max(0, free))) resolve();
    if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}

/** What a use case takes from outside, so that a test decides it. */
export interface Runtime {
  now(): Date;
  /** Cryptographically random bytes. */
  random(bytes: number): Uint8Array;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** One step of a long operation, for whoever watches. Numbers only grow within a phase. */
export interface ProgressEvent {
  /** Constant text: `discover`, `read`, `volumes`, `store`, `plan`, `apply`, `wait`, `validate`. */
  readonly phase: string;
  /** What is being worked on, for people. */
  readonly detail?: string;
  readonly objects?: number;
  readonly totalObjects?: number;
  readonly bytes?: number;
}

export type Progress = (event: ProgressEvent) => void;

export const noProgress: Progress = () => {};

/** Resolves when the signal aborts, or at once where it has. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

import type { CallOptions } from './cluster-api.ts';

/** What a command in a container came to. */
export interface ExecResult {
  /** Exit code; -1 where the connection ended before the command did. */
  readonly code: number;
  /** The first 64 KiB of each. */
  readonly stdout: string;
  readonly stderr: string;
}

/** The port to what happens inside of pods. Errors have CLUSTER_ codes; TIMEOUT where a command does not end in time. */
export interface PodApi {
  /** Runs the words as they are, without a shell. The command itself may go on in the pod when this times out or is aborted. */
  exec(
    pod: { readonly namespace: string; readonly name: string; readonly container: string },
    command: readonly string[],
    options: CallOptions & { readonly timeoutMs: number },
  ): Promise<ExecResult>;

  /** Lines of a container's log as they come, until it ends or the signal aborts. Nothing where there is no log. */
  log(pod: { readonly namespace: string; readonly name: string; readonly container: string }, options?: CallOptions): AsyncIterable<string>;
}

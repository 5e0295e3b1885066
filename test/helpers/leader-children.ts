import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { waitFor } from '../cluster/wait.ts';
import type { ReplicaEvent, ReplicaSetup } from './leader-program.ts';

/** A real replica in a process of its own. */
export interface ChildReplica {
  readonly identity: string;
  /** What it said so far. */
  readonly events: readonly ReplicaEvent[];
  /** Exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  signal(name: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  /** Waits for an event, one said after `from` unless told otherwise. */
  said<E extends ReplicaEvent['event']>(event: E, timeoutMs: number, from?: number): Promise<Extract<ReplicaEvent, { event: E }>>;
  /** Waits until the kernel says that it is stopped. */
  halted(): Promise<void>;
}

export function startChild(setup: ReplicaSetup): ChildReplica {
  const events: ReplicaEvent[] = [];
  const errors: string[] = [];
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'leader-program.ts'), JSON.stringify(setup)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  createInterface({ input: child.stdout! }).on('line', line => events.push(JSON.parse(line) as ReplicaEvent));
  createInterface({ input: child.stderr! }).on('line', line => errors.push(line));
  const exited = new Promise<number | string>(resolve => child.once('exit', (code, signal) => resolve(signal ?? code ?? -1)));
  return {
    identity: setup.identity,
    events,
    exited,
    signal: name => void child.kill(name),
    said: (event, timeoutMs, from = events.length) =>
      waitFor(
        `${setup.identity} says ${event}`,
        async () => {
          if (child.exitCode !== null && child.exitCode !== 0) throw new Error(errors.join('\n'));
          return events.slice(from).find(one => one.event === event) as never;
        },
        { timeoutMs, intervalMs: 20 },
      ),
    halted: async () => {
      const state = async () => /\) T /.test(await readFile(`/proc/${child.pid}/stat`, 'utf8'));
      await waitFor(`${setup.identity} is stopped`, state, { timeoutMs: 60_000, intervalMs: 10 });
    },
  };
}

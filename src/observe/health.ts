import { asHoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import { bounded } from '../schedule/bounded.ts';

/** Something that the service needs to be of use. */
export interface ReadinessCheck {
  readonly name: string;
  /** Rejects while it does not work. */
  readonly run: (signal: AbortSignal) => Promise<unknown>;
  /** Not working after it, milliseconds. */
  readonly timeoutMs?: number;
  /** Not run again before this much later, milliseconds. */
  readonly everyMs?: number;
}

/** Something within this process alone: asking it waits for nothing and nobody. */
export interface LivenessCheck {
  readonly name: string;
  readonly isAlive: () => boolean;
}

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** Why not, for logs: it may name what strangers need not know. */
  readonly reason?: string;
}

export interface Health {
  /** Never depends on a store, an API server or anything else outside: a restart would not mend them. */
  live(): readonly CheckResult[];
  /** Runs what is due, waits for it, and tells of the rest what was found last. Never rejects. */
  ready(): Promise<readonly CheckResult[]>;
  /** What was found last, at once; runs what is due meanwhile. A check that never ran is not ok. */
  latest(): readonly CheckResult[];
}

export const defaultCheckMs = 5_000;
export const defaultEveryMs = 15_000;

export interface HealthOptions {
  readonly liveness?: readonly LivenessCheck[];
  readonly readiness: readonly ReadinessCheck[];
  readonly runtime: Pick<Runtime, 'now' | 'sleep'>;
}

/** Probes come as often as they like: each check runs at most every so often, and never twice at once. */
export function createHealth({ liveness = [], readiness, runtime }: HealthOptions): Health {
  const checks = readiness.map(check => remembering(check, runtime));
  return {
    live: () => liveness.map(({ name, isAlive }) => ({ name, ok: isAlive() })),
    ready: () => Promise.all(checks.map(async check => (await check.refresh()) ?? check.latest())),
    latest: () =>
      checks.map(check => {
        void check.refresh();
        return check.latest();
      }),
  };
}

function remembering(
  { name, run, timeoutMs = defaultCheckMs, everyMs = defaultEveryMs }: ReadinessCheck,
  runtime: HealthOptions['runtime'],
) {
  let found: CheckResult = { name, ok: false, reason: 'it was not looked at yet' };
  let foundAt: number | undefined;
  let running: Promise<CheckResult> | undefined;

  const look = async (): Promise<CheckResult> => {
    try {
      await bounded(runtime, timeoutMs, undefined, run);
      found = { name, ok: true };
    } catch (thrown) {
      found = { name, ok: false, reason: asHoldfastError(thrown).message };
    }
    foundAt = runtime.now().getTime();
    return found;
  };

  return {
    latest: () => found,
    /** Undefined while what was found last is fresh. A clock that was put back makes nothing fresh. */
    refresh: (): Promise<CheckResult> | undefined => {
      const age = foundAt === undefined ? undefined : runtime.now().getTime() - foundAt;
      if (age !== undefined && age >= 0 && age < everyMs) return undefined;
      running ??= look().finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}

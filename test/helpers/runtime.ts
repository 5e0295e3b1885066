import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Runtime } from '../../src/domain/runtime.ts';

/** The real clock and the real randomness. */
export const testRuntime: Runtime = {
  now: () => new Date(),
  random: bytes => randomBytes(bytes),
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
};

import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { cacheDir } from './test/cluster/binaries.ts';
import { SlowFirst } from './test/slow-first.ts';

/**
 * Node keeps what it compiled: a thread of a backup and a program of a test begin in half the time. Servers live for a minute or two: they collect
 * garbage less often than Go would have them.
 */
const env = { NODE_COMPILE_CACHE: join(cacheDir(), 'node-compile-cache'), GOGC: process.env['GOGC'] ?? '400' };

/** Files at a time, of both suites: one queue, whose short ones fill the time beside the last long ones. `VITEST_MAX_WORKERS=3` is a little quicker on two cores. */
const maxWorkers = 2;

/** Two suites: `unit` (milliseconds each, no servers) and `real` (real servers, started once for the whole run). */
export default defineConfig({
  test: {
    sequence: { sequencer: SlowFirst },
    projects: [
      {
        test: {
          name: 'unit',
          env,
          include: ['src/**/*.test.ts', 'test/unit/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // What is polled for is there at once, unless others have the processors.
          expect: { poll: { timeout: 30_000 } },
          // They leave nothing in their process, and starting one for each of them took a quarter of their time.
          isolate: false,
          maxWorkers,
        },
      },
      {
        test: {
          name: 'real',
          env,
          include: ['test/contract/**/*.test.ts', 'test/integration/**/*.test.ts', 'test/cluster/**/*.test.ts'],
          globalSetup: ['test/cluster/global-setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          maxWorkers,
        },
      },
    ],
  },
});

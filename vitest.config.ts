import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { cacheDir } from './test/cluster/binaries.ts';

/** Node keeps what it compiled: a thread of a backup and a program of a test begin in half the time. */
const env = { NODE_COMPILE_CACHE: join(cacheDir(), 'node-compile-cache') };

/** Two suites: `unit` (milliseconds each, no servers) and `real` (real servers, started once for the whole run). */
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', env, include: ['src/**/*.test.ts', 'test/unit/**/*.test.ts'], testTimeout: 20_000 } },
      {
        test: {
          name: 'real',
          env,
          include: ['test/contract/**/*.test.ts', 'test/integration/**/*.test.ts', 'test/cluster/**/*.test.ts'],
          globalSetup: ['test/cluster/global-setup.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          maxWorkers: 2,
        },
      },
    ],
  },
});

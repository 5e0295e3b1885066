import { defineConfig } from 'vitest/config';

/** Two suites: `unit` (milliseconds each, no servers) and `real` (real servers, started once for the whole run). */
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.ts', 'test/unit/**/*.test.ts'], testTimeout: 20_000 } },
      {
        test: {
          name: 'real',
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

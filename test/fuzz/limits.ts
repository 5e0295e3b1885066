import type { ApiLimits } from '../../src/api/limits.ts';

/** A fuzzer is one user who never waits, and reads every event stream to its end. */
export const fuzzLimits: Partial<ApiLimits> = { requestsPerMinute: 1_000_000, requestsPerSecond: 100_000, streamMs: 20, keepAliveMs: 20 };

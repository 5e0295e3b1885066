import { describe, expect, it } from 'vitest';
import { createBatchPool } from './batch-pool.ts';

describe('memory of batches', () => {
  it('that was given back is handed out again, whole, however little of it was filled', () => {
    const pool = createBatchPool(2);
    const first = pool.take(64);
    pool.give(first.subarray(0, 10));
    const second = pool.take(64);
    expect(second.buffer).toBe(first.buffer);
    expect(second.byteLength).toBe(64);
    expect(pool.take(64).buffer).not.toBe(first.buffer);
  });

  it('of a size that is not the usual one is not kept, and no more than was said', () => {
    const pool = createBatchPool(1);
    const [usual, other] = [pool.take(64), pool.take(64)];
    const huge = pool.take(1000);
    expect(huge.byteLength).toBe(1000);
    pool.give(huge);
    pool.give(usual);
    pool.give(other);
    expect(pool.take(1000).buffer).not.toBe(huge.buffer);
    expect(pool.take(64).buffer).toBe(usual.buffer);
    expect(pool.take(64).buffer).not.toBe(other.buffer);
  });
});

import { expect, it } from 'vitest';
import { releaseMemory } from './release-memory.ts';

it('memory that is released is gone from every view of it, and may be released again', () => {
  const whole = Buffer.allocUnsafeSlow(256 * 1024);
  const part = whole.subarray(10, 20);
  releaseMemory(part);
  releaseMemory(part);
  expect(whole.length).toBe(0);
});

it('memory that small buffers share stays as it is', () => {
  const [one, other] = [Buffer.from('one'), Buffer.from('other')];
  releaseMemory(one);
  expect(other.toString()).toBe('other');
});

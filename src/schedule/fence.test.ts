import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../domain/errors.ts';
import { createFence } from './fence.ts';

function fenceAt(start: number) {
  const clock = { now: start };
  const fence = createFence({ lease: 'leases ops/holdfast', monotonic: () => clock.now, validMs: 10_000, sentAt: start });
  return { clock, fence };
}

describe('a fence', () => {
  it('is open for its time from when the last renewal was sent, not from when it was answered', () => {
    const { clock, fence } = fenceAt(5_000);
    clock.now = 9_000;
    fence.renewed(6_000);
    clock.now = 15_999;
    fence.check();
    expect(fence.remainingMs()).toBe(1);
    clock.now = 16_000;
    expect(() => fence.check()).toThrow(expect.objectContaining({ code: 'NOT_LEADER', message: expect.stringContaining('10.0 s ago') }));
  });

  it('stays closed once its time was over, whatever is renewed afterwards', () => {
    const { clock, fence } = fenceAt(0);
    clock.now = 10_000;
    fence.renewed(9_999);
    expect(fence.remainingMs()).toBe(0);
    expect(() => fence.check()).toThrow(HoldfastError);
  });

  it('is not set back by a renewal that was sent before the last one', () => {
    const { clock, fence } = fenceAt(0);
    fence.renewed(4_000);
    fence.renewed(1_000);
    clock.now = 13_999;
    fence.check();
  });

  it('closes at once when the lead is lost, and says why', () => {
    const { fence } = fenceAt(0);
    fence.close(new HoldfastError('NOT_LEADER', 'held by b now'));
    expect(() => fence.check()).toThrow(expect.objectContaining({ code: 'NOT_LEADER', message: 'held by b now' }));
    expect(fence.remainingMs()).toBe(0);
  });
});

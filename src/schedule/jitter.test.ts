import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jitterOf } from './jitter.ts';

const name = fc.string({ maxLength: 8 });

describe('jitterOf', () => {
  it('is a whole number from 0 to the most, and the same every time', () => {
    fc.assert(
      fc.property(name, name, name, fc.nat(86_400_000), (policy, tier, cluster, most) => {
        const jitter = jitterOf(policy, tier, cluster, most);
        expect(Number.isInteger(jitter)).toBe(true);
        expect(jitter).toBeGreaterThanOrEqual(0);
        expect(jitter).toBeLessThanOrEqual(most);
        expect(jitterOf(policy, tier, cluster, most)).toBe(jitter);
      }),
    );
  });

  it('depends on policy, tier and cluster, each by itself', () => {
    const all = [
      ['platform', 'daily', 'a'],
      ['other', 'daily', 'a'],
      ['platform', 'weekly', 'a'],
      ['platform', 'daily', 'b'],
      ['platformd', 'aily', 'a'],
    ].map(([policy, tier, cluster]) => jitterOf(policy!, tier!, cluster!, 1e9));
    expect(new Set(all).size).toBe(all.length);
  });

  it('spreads clusters evenly, the ends included', () => {
    const counts = [0, 0, 0, 0];
    for (let cluster = 0; cluster < 4000; cluster++) counts[jitterOf('platform', 'daily', `cluster-${cluster}`, 3)]!++;
    for (const count of counts) expect(count).toBeGreaterThan(850);
  });
});

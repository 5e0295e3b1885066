import { describe, expect, it } from 'vitest';
import { quantityBytes } from './quantity.ts';

describe('quantityBytes', () => {
  it.each([
    ['10Gi', 10 * 2 ** 30],
    ['512M', 512_000_000],
    ['1e9', 1_000_000_000],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['1E', 1e18],
    ['1500m', 2],
    ['64', 64],
  ])('reads %s', (text, bytes) => {
    expect(quantityBytes(text)).toBe(bytes);
  });

  it.each(['', 'ten', '1GiB', '1 Gi', '--1'])('knows that %j is none', text => {
    expect(quantityBytes(text)).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';
import { manualTime } from '../../test/helpers/manual-time.ts';
import { createListings } from './listings.ts';

const { signal } = new AbortController();

/** Listings of the numbers up to `size`; what was begun, and how far each was read. */
function world({ atOnce = 2, size = 25 } = {}) {
  const time = manualTime();
  const listings = createListings<number>({ atOnce, keepMs: 60_000, runtime: time });
  const begun: { of: string; read: number; ended: boolean }[] = [];
  const page = (from: number, { of = 'a', most = 11, within = signal }: { of?: string; most?: number; within?: AbortSignal } = {}) =>
    listings.page({ of, from, most, signal: within }, async function* (life) {
      const one = { of, read: 0, ended: false };
      begun.push(one);
      try {
        for (let n = 0; n < size; n += 1) {
          await Promise.resolve();
          life.throwIfAborted();
          one.read += 1;
          yield n;
        }
      } finally {
        one.ended = true;
      }
    });
  return { time, page, begun };
}
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

describe('a listing that is read page by page', () => {
  it('is begun once, and read once', async () => {
    const { page, begun } = world();
    // A page is ten, and one more tells whether there is another.
    expect(await page(0)).toEqual(numbers(0, 11));
    expect(await page(10)).toEqual(numbers(10, 21));
    expect(await page(20)).toEqual(numbers(20, 25));
    expect(begun).toEqual([{ of: 'a', read: 25, ended: true }]);
  });

  it('is begun anew for a page that does not follow, and for whoever may not see it', async () => {
    const { page, begun } = world({ atOnce: 9 });
    await page(0);
    expect(await page(5)).toEqual(numbers(5, 16));
    expect(await page(10, { of: 'b' })).toEqual(numbers(10, 21));
    expect(begun.map(({ of }) => of)).toEqual(['a', 'a', 'b']);
  });

  it('is given to one of two who ask for the same page, and each gets all of it', async () => {
    const { page, begun } = world();
    await page(0);
    expect(await Promise.all([page(10), page(10)])).toEqual([numbers(10, 21), numbers(10, 21)]);
    expect(begun).toHaveLength(2);
  });

  it('ends when its next page is not asked for in time, and then begins anew', async () => {
    const { page, begun, time } = world();
    await page(0);
    await time.advance(59_000);
    expect(begun).toMatchObject([{ ended: false }]);
    await time.advance(2_000);
    expect(begun).toMatchObject([{ ended: true }]);
    expect(await page(10)).toEqual(numbers(10, 21));
    expect(time.sleeping()).toEqual([60_000]);
  });

  it('makes room for others: the one that has waited longest ends', async () => {
    const { page, begun } = world();
    for (const of of ['a', 'b', 'c']) await page(0, { of });
    expect(begun.map(({ ended }) => ended)).toEqual([true, false, false]);
  });

  it('ends with the request that reads it, and not with one that has its answer', async () => {
    const { page, begun, time } = world();
    const [first, second] = [new AbortController(), new AbortController()];
    await page(0, { within: first.signal });
    first.abort();
    const next = page(10, { within: second.signal });
    second.abort(new Error('gone'));
    await expect(next).rejects.toThrow('gone');
    expect(begun).toMatchObject([{ ended: true }]);
    expect(time.sleeping()).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { eachConcurrently, mapAhead } from './concurrency.ts';

async function* numbers(count: number, onNext: () => void = () => {}): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) {
    onNext();
    yield i;
  }
}

/** Work that ends when told to, so that order and overlap are the test's. */
function manual(): { work: (item: number) => Promise<number>; started: number[]; end: (item: number, failure?: Error) => void } {
  const started: number[] = [];
  const ends = new Map<number, (failure?: Error) => void>();
  return {
    started,
    work: item =>
      new Promise((resolve, reject) => {
        started.push(item);
        ends.set(item, failure => (failure === undefined ? resolve(item * 10) : reject(failure)));
      }),
    end: (item, failure) => ends.get(item)!(failure),
  };
}

describe('eachConcurrently', () => {
  it('works on so many items at a time and no more, and takes the next when one ends', async () => {
    const { work, started, end } = manual();
    const done = eachConcurrently(numbers(4), 2, async item => void (await work(item)));
    await expect.poll(() => started).toEqual([0, 1]);
    end(1);
    await expect.poll(() => started).toEqual([0, 1, 2]);
    end(0);
    await expect.poll(() => started).toEqual([0, 1, 2, 3]);
    end(2);
    end(3);
    await done;
  });

  it('rejects with the first failure after what had begun has ended, and begins nothing more', async () => {
    const { work, started, end } = manual();
    let settled = false;
    const done = eachConcurrently(numbers(9), 2, async item => void (await work(item))).finally(() => {
      settled = true;
    });
    const rejected = expect(done).rejects.toThrow('first');
    await expect.poll(() => started).toEqual([0, 1]);
    end(0, new Error('first'));
    await new Promise(resolve => setImmediate(resolve));
    expect(settled).toBe(false);
    end(1, new Error('second'));
    await rejected;
    expect(started).toEqual([0, 1]);
  });
});

describe('mapAhead', () => {
  it('keeps the order of the source while later items are already worked on', async () => {
    const { work, started, end } = manual();
    const results = mapAhead(numbers(3), 2, work);
    const first = results.next();
    await expect.poll(() => started).toEqual([0, 1]);
    end(1);
    end(0);
    expect((await first).value).toBe(0);
    expect((await results.next()).value).toBe(10);
    const last = results.next();
    await expect.poll(() => started).toEqual([0, 1, 2]);
    end(2);
    expect((await last).value).toBe(20);
    expect((await results.next()).done).toBe(true);
  });

  it('takes no more from the source once nobody listens', async () => {
    let taken = 0;
    for await (const _ of mapAhead(
      numbers(100, () => taken++),
      3,
      async item => item,
    ))
      break;
    expect(taken).toBe(3);
  });
});

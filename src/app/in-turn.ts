/** One piece of work at a time, in the order in which they came. */
export interface Turns {
  /** What `work` gives, once it was its turn. */
  take<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when what was taken so far has ended, however. */
  idle(): Promise<void>;
}

export function inTurn(): Turns {
  let last: Promise<void> = Promise.resolve();
  return {
    take: work => {
      const mine = last.then(work);
      last = mine.then(
        () => {},
        () => {},
      );
      return mine;
    },
    idle: () => last,
  };
}

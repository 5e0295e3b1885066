/** The last events of an interval, for readers that come back. Ids are `<epoch>-<number>`; another process has another epoch. */
export interface EventRing<T> {
  /** Id of the newest; what comes next is newer. */
  readonly last: string;
  add(make: (id: string) => T): T;
  /** What came after the event of this id; undefined where that cannot be known (any more): the reader has missed something. */
  after(id: string): readonly T[] | undefined;
}

export function createEventRing<T>(epoch: string, most: number): EventRing<T> {
  const kept: T[] = [];
  let first = 1;
  let next = 1;
  const idOf = (number: number) => `${epoch}-${number}`;
  return {
    get last() {
      return idOf(next - 1);
    },
    add: make => {
      const item = make(idOf(next));
      next += 1;
      kept.push(item);
      if (kept.length > most) {
        kept.shift();
        first += 1;
      }
      return item;
    },
    after: id => {
      const [, of, digits] = /^([0-9a-z]+)-(\d{1,15})$/.exec(id) ?? [];
      const number = Number(digits);
      if (of !== epoch || number >= next || number < first - 1) return undefined;
      return kept.slice(number + 1 - first);
    },
  };
}

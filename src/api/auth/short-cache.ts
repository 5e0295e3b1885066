/** Remembers answers for a short time; bounded, oldest out first. */
export interface ShortCache<T> {
  /** The answer of within the last `ttlMs`, the one that is being found just now, or a new one. A failure is not remembered. */
  find(key: string, make: () => Promise<T>): Promise<T>;
}

export function createShortCache<T>(options: { readonly ttlMs: number; readonly most: number; readonly now: () => Date }): ShortCache<T> {
  const { ttlMs, most, now } = options;
  const entries = new Map<string, { readonly until: number; readonly value: Promise<T> }>();
  return {
    find: (key, make) => {
      const at = now().getTime();
      const found = entries.get(key);
      // A clock that was set back must not make an entry live longer.
      if (found !== undefined && found.until > at && found.until <= at + ttlMs) return found.value;
      const value = Promise.try(make);
      const entry = { until: at + ttlMs, value };
      entries.delete(key);
      entries.set(key, entry);
      value.catch(() => {
        if (entries.get(key) === entry) entries.delete(key);
      });
      if (entries.size > most) entries.delete(entries.keys().next().value!);
      return value;
    },
  };
}

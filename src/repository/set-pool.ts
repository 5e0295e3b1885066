import type { SignedSummary } from './catalog-snapshot.ts';

/** Lets sets share what is the same in most of them, so that ten thousand of them take little memory. The result equals what was given. */
export function createSetPool(): (set: SignedSummary) => SignedSummary {
  const texts = new Map<string, string>();
  const values = new Map<string, unknown>();
  const text = <T extends string>(given: T): T => {
    const known = texts.get(given) as T | undefined;
    if (known === undefined) texts.set(given, given);
    return known ?? given;
  };
  const value = <T extends object>(given: T): T => {
    const key = JSON.stringify(given);
    const known = values.get(key) as T | undefined;
    if (known === undefined) values.set(key, given);
    return known ?? given;
  };
  return ({ keyId, summary: set }) => ({
    keyId: text(keyId),
    summary: {
      ...set,
      tier: text(set.tier),
      phase: text(set.phase),
      consistency: text(set.consistency),
      cluster: value(set.cluster),
      selection: value(set.selection),
      ...(set.asked !== undefined && { asked: value(set.asked) }),
      notProtected: value(set.notProtected),
      fires:
        set.fires.length === 0
          ? value(set.fires)
          : set.fires.map(({ policy, tier, at }) => ({ policy: text(policy), tier: text(tier), at })),
    },
  });
}

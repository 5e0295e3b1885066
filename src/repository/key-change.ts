import type { Manifest } from '../domain/backup-set.ts';
import type { LedgerFact } from '../domain/ledger.ts';
import { setTime } from '../domain/set-id.ts';
import { isDamage } from './damage.ts';
import type { CallOptions } from './read-bytes.ts';
import { readManifest } from './read-manifest.ts';
import type { Repository } from './repository.ts';

export interface KeyChangeOptions extends CallOptions {
  readonly manifest: Manifest;
  /** Id of the key that signed it. */
  readonly signedBy: string;
  /** Ids of the repository's sets, in any order; those that began after it do not matter. */
  readonly sets: readonly string[];
  /** Public keys (PEM) besides the repository's own. */
  readonly trusted: readonly string[];
}

/** A set before, and who signed it, or why nobody here can tell. */
type Before =
  | { readonly set: string; readonly startedAt: string; readonly signedBy: readonly string[] }
  | { readonly set: string; readonly unknown: string };

/**
 * What the ledger is told where a set is signed with another key than the one before: undefined where it is the same. A set before that nobody
 * here can check is a change too. Recipients never change: a repository has those that it was made with. STORE_ codes.
 */
export async function keyChange(repository: Repository, options: KeyChangeOptions): Promise<Omit<LedgerFact, 'actor'> | undefined> {
  const { manifest, signedBy } = options;
  const found = await setBefore(repository, options);
  if (found !== undefined && 'unknown' in found) return changed({ set: found.set, unknown: found.unknown });
  const signers = found?.signedBy ?? repository.info.signingKeyIds;
  if (signers.includes(signedBy)) return undefined;
  return changed({ ...(found !== undefined && { set: found.set }), signedBy: signers });

  function changed(before: Record<string, string | readonly string[]>): Omit<LedgerFact, 'actor'> {
    return { action: 'key.changed', subject: signedBy, details: { since: manifest.id, before } };
  }
}

/** An id tells the second in which its set began; which of one second came first is in their manifests. */
async function setBefore(repository: Repository, options: KeyChangeOptions): Promise<Before | undefined> {
  const { manifest, sets } = options;
  const own = secondOf(manifest.id);
  const earlier = sets.filter(id => id !== manifest.id && secondOf(id) <= own);
  const bySecond = [...Map.groupBy(earlier, secondOf)].toSorted(([a], [b]) => b - a);
  for (const [second, ids] of bySecond) {
    const read = await Promise.all(ids.map(id => signerOf(repository, id, options)));
    const begun = read.flatMap(one => ('startedAt' in one && one.startedAt < manifest.startedAt ? [one] : []));
    const last = begun.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1)).at(-1) ?? read.find(one => 'unknown' in one);
    if (last !== undefined && ('startedAt' in last || second < own)) return last;
  }
  return undefined;
}

function secondOf(id: string): number {
  return setTime(id)?.getTime() ?? 0;
}

async function signerOf(repository: Repository, set: string, { trusted, signal }: KeyChangeOptions): Promise<Before> {
  try {
    const all = [...trusted, ...repository.info.signingPublicKeys];
    const read = await readManifest(repository, set, { trusted: all, ...(signal !== undefined && { signal }) });
    if (read === undefined) return { set, unknown: `${set} is gone` };
    return { set, startedAt: read.manifest.startedAt, signedBy: [read.signature.keyId] };
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    return { set, unknown: thrown.message };
  }
}

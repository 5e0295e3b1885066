import type { Manifest } from '../domain/backup-set.ts';
import { asHoldfastError } from '../domain/errors.ts';
import type { LedgerFact } from '../domain/ledger.ts';
import type { CallOptions } from './read-bytes.ts';
import { readManifest } from './read-manifest.ts';
import type { Repository } from './repository.ts';

export interface KeyChangeOptions extends CallOptions {
  readonly manifest: Manifest;
  /** Id of the key that signed it. */
  readonly signedBy: string;
  /** The set before it; without one, the key that the repository was made with counts. */
  readonly before: string | undefined;
  /** Public keys (PEM) besides the repository's own. */
  readonly trusted: readonly string[];
}

/**
 * What the ledger is told where a set is signed with another key than the one before: undefined where it is the same. A set before that nobody
 * here can check is a change too. Recipients never change: a repository has those that it was made with. STORE_ codes.
 */
export async function keyChange(repository: Repository, options: KeyChangeOptions): Promise<Omit<LedgerFact, 'actor'> | undefined> {
  const { manifest, signedBy, before: set } = options;
  const before = set === undefined ? { signedBy: repository.info.signingKeyIds } : { set, ...(await signerOf(repository, set, options)) };
  if ('signedBy' in before && before.signedBy.includes(signedBy)) return undefined;
  return { action: 'key.changed', subject: signedBy, details: { since: manifest.id, before } };
}

async function signerOf(
  repository: Repository,
  id: string,
  { trusted, signal }: KeyChangeOptions,
): Promise<{ readonly signedBy: readonly string[] } | { readonly unknown: string }> {
  try {
    const all = [...trusted, ...repository.info.signingPublicKeys];
    const read = await readManifest(repository, id, { trusted: all, ...(signal !== undefined && { signal }) });
    return read === undefined ? { unknown: `${id} is gone` } : { signedBy: [read.signature.keyId] };
  } catch (thrown) {
    const { code, message } = asHoldfastError(thrown);
    if (!['BACKUP_CORRUPT', 'SIGNATURE_INVALID', 'REPO_UNSUPPORTED'].includes(code)) throw thrown;
    return { unknown: message };
  }
}

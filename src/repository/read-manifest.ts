import { HoldfastError } from '../domain/errors.ts';
import { isSetId, manifestKey } from './layout.ts';
import { decodeManifestAside, type SignedManifest } from './manifest.ts';
import { type CallOptions, readBytes } from './read-bytes.ts';
import type { Repository } from './repository.ts';

/** A manifest names kinds, problems and files, not objects: it stays far below this. */
export const maxManifestBytes = 64 * 1024 * 1024;

/**
 * Reads and checks the manifest of a set: undefined when there is none, which means that there is no such set. Its signature is checked with
 * the trusted keys if there are any, else with the repository's own. SIGNATURE_INVALID, BACKUP_CORRUPT, REPO_UNSUPPORTED.
 */
export async function readManifest(
  repository: Repository,
  id: string,
  options: CallOptions & { readonly trusted?: readonly string[] | undefined },
): Promise<SignedManifest | undefined> {
  if (!isSetId(id)) return undefined;
  const key = manifestKey(id);
  const bytes = await readBytes(repository.store, key, maxManifestBytes, options);
  if (bytes === undefined) return undefined;
  const signed = await decode(bytes, key, { trusted: options.trusted ?? [], known: repository.info.signingPublicKeys });
  if (signed.manifest.id !== id) throw new HoldfastError('BACKUP_CORRUPT', `${key} is the manifest of another set, ${signed.manifest.id}`);
  if (signed.manifest.repository !== repository.info.id) {
    throw new HoldfastError('BACKUP_CORRUPT', `${key} belongs to another repository, ${signed.manifest.repository}`);
  }
  return signed;
}

async function decode(
  bytes: Uint8Array,
  key: string,
  keys: { readonly trusted: readonly string[]; readonly known: readonly string[] },
): Promise<SignedManifest> {
  try {
    return await decodeManifestAside(bytes, keys);
  } catch (thrown) {
    if (thrown instanceof HoldfastError) throw new HoldfastError(thrown.code, `${key}: ${thrown.message}`, { cause: thrown });
    throw thrown;
  }
}

/** Like `readManifest`; BACKUP_NOT_FOUND when there is no such set. */
export async function requireManifest(
  repository: Repository,
  id: string,
  options: CallOptions & { readonly trusted?: readonly string[] | undefined },
): Promise<SignedManifest> {
  const signed = await readManifest(repository, id, options);
  if (signed === undefined) throw new HoldfastError('BACKUP_NOT_FOUND', `${repository.store.url} holds no backup ${JSON.stringify(id)}`);
  return signed;
}

import { signingKeyId } from '../crypto/signing.ts';
import type { Manifest } from '../domain/backup-set.ts';
import { isCode } from '../domain/errors.ts';
import { eachConcurrently } from './concurrency.ts';
import { isDamage } from './damage.ts';
import { demandKey } from './demand-claim.ts';
import { manifestKey } from './layout.ts';
import { claimsNaming, setNamedIn } from './leftovers.ts';
import { decodeManifest } from './manifest.ts';
import { operationFolders } from './operation-records.ts';
import { type CallOptions, readBytes } from './read-bytes.ts';
import { maxManifestBytes } from './read-manifest.ts';
import type { Repository } from './repository.ts';
import { checkFiles } from './run-claim.ts';

const nameTheKey =
  'name that key’s public half by --signing-public-key (signingPublicKey of a service); where nobody has it, remove the manifest.json by the store’s own means';
const readsAtOnce = 8;

export interface DamagedOptions extends CallOptions {
  /** Public keys (PEM) that the caller trusts; the repository's own count besides. */
  readonly trusted?: readonly string[] | undefined;
}

/** Why a set that cannot be read here may be a good one all the same, and what would show it. */
export interface Salvage {
  readonly why: string;
  readonly hint: string;
}

/**
 * A set that cannot be read may be whole, and only its reader lacks a key, a newer version, or a copy of its manifest. Undefined where its manifest
 * is damaged for good, or gone. STORE_ codes.
 */
export async function salvageOf(repository: Repository, id: string, options: DamagedOptions): Promise<Salvage | undefined> {
  return (await asWritten(repository, id, options)) ?? (await asCopied(repository, id, options));
}

async function asWritten(repository: Repository, id: string, options: DamagedOptions): Promise<Salvage | undefined> {
  const keys = keysOf(repository, options);
  const bytes = await attempt(() => readBytes(repository.store, manifestKey(id), maxManifestBytes, options));
  if (bytes === undefined) return undefined;
  try {
    const { manifest, signature } = decodeManifest(bytes, { trusted: keys });
    if (!isOf(repository, id, manifest)) return undefined;
    return { why: `it is whole, and signed by ${signature.keyId}, a key of the repository that is not trusted here`, hint: nameTheKey };
  } catch (thrown) {
    if (isCode(thrown, 'REPO_UNSUPPORTED')) {
      return { why: 'a newer version of Holdfast wrote it', hint: 'use that version: it can read what it deletes' };
    }
    if (!isDamage(thrown)) throw thrown;
  }
  return attempt(async () => {
    const { manifest, signature } = decodeManifest(bytes);
    if (!isOf(repository, id, manifest) || keys.some(pem => signingKeyId(pem) === signature.keyId)) return undefined;
    await checkFiles(repository, manifestKey(id), manifest, options);
    return { why: `its files are all there, and it is signed by ${signature.keyId}, a key that is not known here`, hint: nameTheKey };
  });
}

/** What a run has claimed, or committed on demand, is the same manifest once more. */
async function asCopied(repository: Repository, id: string, options: DamagedOptions): Promise<Salvage | undefined> {
  for (const key of [...(await claimsNaming(repository, id, options)), ...(await commitsNaming(repository, id, options))]) {
    const found = await attempt(async () => {
      const bytes = await readBytes(repository.store, key, maxManifestBytes, options);
      if (bytes === undefined) return undefined;
      const { manifest } = decodeManifest(bytes, { trusted: keysOf(repository, options) });
      if (!isOf(repository, id, manifest)) return undefined;
      await checkFiles(repository, key, manifest, options);
      const hint = `copy ${key} over ${manifestKey(id)} by the store’s own means: then it can be read again`;
      return { why: `its files are all there, and ${key} is its manifest, undamaged`, hint };
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

async function commitsNaming(repository: Repository, id: string, options: DamagedOptions): Promise<string[]> {
  const found: string[] = [];
  const commits = [...(await operationFolders(repository, options))].filter(([, files]) => files.has('commit.json'));
  await eachConcurrently(commits, readsAtOnce, async ([operation]) => {
    const key = demandKey(operation);
    if ((await setNamedIn(repository, key, options)) === id) found.push(key);
  });
  return found.sort();
}

function keysOf({ info }: Repository, { trusted = [] }: DamagedOptions): string[] {
  return [...trusted, ...info.signingPublicKeys];
}

function isOf({ info }: Repository, id: string, manifest: Manifest): boolean {
  return manifest.id === id && manifest.repository === info.id;
}

/** Undefined where it meets damage. */
async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (thrown) {
    if (isDamage(thrown)) return undefined;
    throw thrown;
  }
}

import { sha256Hex } from '../crypto/digest.ts';
import type { ItemFailure, Manifest } from '../domain/backup-set.ts';
import { type ClusterIdentity, clusterName, isSameCluster } from '../domain/cluster-identity.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Fire } from '../domain/policy.ts';
import { eachConcurrently } from './concurrency.ts';
import { isDamage } from './damage.ts';
import { fileKey, manifestKey } from './layout.ts';
import { decodeManifest, encodeManifest } from './manifest.ts';
import { type CallOptions, readBytes, withSignal } from './read-bytes.ts';
import { maxManifestBytes, requireManifest } from './read-manifest.ts';
import type { Repository } from './repository.ts';
import { parseLine, splitLines } from './signed-lines.ts';

/** Below it, for each scheduled run, the manifest of the set that stands for it. */
export const claimsPrefix = 'schedule/';

const headsAtOnce = 8;
/** A claim that was in the way and is gone when looked at: retention took it meanwhile. */
const triesPerClaim = 3;

/** `schedule/<policy>/<tier>/<YYYYMMDDTHHMMSSZ>.json`. USAGE when the fire's names cannot be part of a key, or its time is not of whole seconds. */
export function claimKey({ policy, tier, at }: Fire): string {
  const time = new Date(at);
  const names = [policy, tier].every(name => /^[a-z0-9][a-z0-9._-]*$/.test(name));
  if (!names || Number.isNaN(time.getTime()) || time.getUTCMilliseconds() !== 0) {
    throw new HoldfastError(
      'USAGE',
      `a run of ${JSON.stringify(`${policy}/${tier}`)} at ${at} cannot be claimed: its names or its time cannot be part of a key`,
    );
  }
  return `${claimsPrefix}${policy}/${tier}/${time.toISOString().replace(/[-:]|\.\d+/g, '')}.json`;
}

/**
 * `schedule/<policy>/<tier>/<YYYYMMDDTHHMMSSZ>-<cluster>.json`: of a cluster whose policies have the same names as those of another one, which had
 * the key without a cluster first. USAGE as for `claimKey`.
 */
export function clusterClaimKey(fire: Fire, cluster: ClusterIdentity): string {
  const name = clusterName(cluster);
  const part = /^[0-9a-f-]{1,64}$/.test(name) ? name : sha256Hex(name).slice(0, 32);
  return claimKey(fire).replace(/\.json$/, `-${part}.json`);
}

/** Where the claims of a set may lie: they are to be deleted before its manifest is, or it would be brought back. None for a set on demand. */
export function claimKeys({ fires, cluster }: Pick<Manifest, 'fires' | 'cluster'>): string[] {
  return inOrder(fires ?? []).flatMap(fire => [claimKey(fire), clusterClaimKey(fire, cluster)]);
}

/**
 * Everybody claims in this order, without doubles: by time, policy and tier. Two runs of the same fires meet at the first of them, and whoever
 * has that gets all.
 */
function inOrder(fires: readonly Fire[]): Fire[] {
  const rank = (fire: Fire): string => `${/[^/]+$/.exec(claimKey(fire))} ${fire.policy} ${fire.tier}`;
  const unique = new Map(fires.map(fire => [rank(fire), fire]));
  return [...unique.keys()].sort().map(key => unique.get(key)!);
}

export interface ClaimOptions extends CallOptions {
  /** Ed25519 private key, PEM: signs a manifest anew where its set stands for fewer runs than it was taken for. */
  readonly signingKey: string;
  /** Public keys (PEM) of which one must have signed what others claimed; the repository's own unless given. */
  readonly trusted?: readonly string[] | undefined;
}

/** A manifest on its way to becoming visible. */
export interface Claim {
  readonly manifest: Manifest;
  /** Signed, as it lies at each claim. */
  readonly bytes: Uint8Array;
}

/**
 * Commits a set that was taken for scheduled runs: `manifest.json` is put to the claim of each of its fires, and whoever is first of its cluster has
 * that fire, for good. The set becomes visible standing for exactly the fires that it has; resolves with the manifest that says so. All its
 * other files must be durable; may be called again after any error. BACKUP_SUPERSEDED when it has none, since other sets, by then visible,
 * stand for them; BACKUP_CORRUPT when the claims in its way are damaged.
 */
export async function commitClaimed(
  repository: Repository,
  manifest: Manifest,
  bytes: Uint8Array,
  options: ClaimOptions,
): Promise<Manifest> {
  const rivals: string[] = [];
  let damage: unknown;
  const won = await claimAll(repository, { manifest, bytes }, options, async key => {
    try {
      // Before the next fire: a rival that has the first of the same fires must get the others too, or one run would become two sets.
      rivals.push((await finishOne(repository, key, options)).id);
    } catch (thrown) {
      if (!isDamage(thrown)) throw thrown;
      damage ??= thrown;
    }
  });
  if (won.length > 0) return makeVisible(repository, { manifest, bytes }, won, options);
  if (rivals.length === 0 && damage !== undefined) throw damage;
  const others = [...new Set(rivals)].join(', ');
  throw new HoldfastError('BACKUP_SUPERSEDED', `${manifest.id} was not committed: ${others} stands for the same scheduled run`);
}

export interface FinishOptions extends ClaimOptions {
  /** Claims written before, by the store's clock, are left alone. */
  readonly since: Date;
}

export interface FinishedClaims {
  /** Ids of the sets that became visible. */
  readonly finished: readonly string[];
  /** Claims that cannot be finished: altered, or of a set whose files are gone. */
  readonly broken: readonly (ItemFailure & { readonly key: string })[];
}

/**
 * Makes visible every set that was claimed since then and whose writer died before it had written the manifest. To be called when leading
 * starts, and with an earlier `since` before files without a manifest are deleted: they may be those of a claimed set.
 */
export async function finishClaims(repository: Repository, options: FinishOptions): Promise<FinishedClaims> {
  const finished = new Set<string>();
  const broken: (ItemFailure & { readonly key: string })[] = [];
  for await (const { key, modified } of repository.store.list(claimsPrefix, withSignal(options))) {
    if (modified < options.since) continue;
    try {
      const { id, wasVisible } = await finishOne(repository, key, options);
      if (!wasVisible) finished.add(id);
    } catch (thrown) {
      if (!isDamage(thrown)) throw thrown;
      broken.push({ key, code: thrown.code, message: thrown.message });
    }
  }
  return { finished: [...finished], broken };
}

/** The fires that the set has now. `onRival` is told, one after the other, of each claim that another set holds. */
async function claimAll(
  repository: Repository,
  { manifest, bytes }: Claim,
  options: ClaimOptions,
  onRival: (key: string) => Promise<void> = async () => {},
): Promise<Fire[]> {
  const won: Fire[] = [];
  for (const fire of inOrder(manifest.fires ?? [])) {
    let key = claimKey(fire);
    let isOurs = await claimOne(repository, key, bytes, options);
    if (!isOurs && (await isOfOthers(repository, key, manifest.cluster, options))) {
      key = clusterClaimKey(fire, manifest.cluster);
      isOurs = await claimOne(repository, key, bytes, options);
    }
    if (isOurs) won.push(fire);
    else await onRival(key);
  }
  return won;
}

/** Is the claim of a set of another cluster? What cannot be believed is nobody's, and stands in everybody's way. */
async function isOfOthers(repository: Repository, key: string, own: ClusterIdentity, options: ClaimOptions): Promise<boolean> {
  try {
    return !isSameCluster((await readClaim(repository, key, options)).manifest.cluster, own);
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    return false;
  }
}

/** Is the claim ours, now or from an earlier try? */
export async function claimOne({ store }: Repository, key: string, bytes: Uint8Array, options: ClaimOptions): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      await store.put(key, bytes, withSignal(options));
      return true;
    } catch (thrown) {
      if (!isCode(thrown, 'STORE_EXISTS')) throw thrown;
      const found = await readBytes(store, key, maxManifestBytes, options);
      if (found !== undefined) return found.equals(bytes);
      if (attempt === triesPerClaim) throw thrown;
    }
  }
}

/** Makes the set that holds the claim visible, if it is not. */
async function finishOne(
  repository: Repository,
  key: string,
  options: ClaimOptions,
): Promise<{ readonly id: string; readonly wasVisible: boolean }> {
  const claim = await readClaim(repository, key, options);
  const { id } = claim.manifest;
  const wasVisible = (await repository.store.head(manifestKey(id), withSignal(options))) !== undefined;
  if (!wasVisible) {
    await checkFiles(repository, key, claim.manifest, options);
    await makeVisible(repository, claim, await claimAll(repository, claim, options), options);
  }
  return { id, wasVisible };
}

/** SIGNATURE_INVALID, BACKUP_CORRUPT, REPO_UNSUPPORTED for anything but a signed manifest of this repository that names this fire. */
async function readClaim({ store, info }: Repository, key: string, options: ClaimOptions): Promise<Claim> {
  const bytes = await readBytes(store, key, maxManifestBytes, options);
  if (bytes === undefined) throw new HoldfastError('BACKUP_CORRUPT', `${key} is gone`);
  const claim = decodeClaim(info, key, bytes, options);
  if (claimKeys(claim.manifest).includes(key)) return claim;
  throw new HoldfastError('BACKUP_CORRUPT', `${key}: ${claim.manifest.id} does not stand for this run`);
}

/** SIGNATURE_INVALID, BACKUP_CORRUPT, REPO_UNSUPPORTED for anything but a signed manifest of this repository. */
export function decodeClaim(info: Repository['info'], key: string, bytes: Uint8Array, options: ClaimOptions): Claim {
  try {
    const { manifest } = decodeManifest(bytes, { trusted: options.trusted ?? [], known: info.signingPublicKeys });
    if (manifest.repository !== info.id)
      throw new HoldfastError('BACKUP_CORRUPT', `it belongs to another repository, ${manifest.repository}`);
    return { manifest, bytes };
  } catch (thrown) {
    if (thrown instanceof HoldfastError) throw new HoldfastError(thrown.code, `${key}: ${thrown.message}`, { cause: thrown });
    throw thrown;
  }
}

/** BACKUP_CORRUPT when a file of the claimed set is missing or has another size: a manifest would make a set that cannot be read. */
export async function checkFiles({ store }: Repository, key: string, manifest: Manifest, options: CallOptions): Promise<void> {
  const files = async function* () {
    yield* [...manifest.shards, ...manifest.index];
  };
  await eachConcurrently(files(), headsAtOnce, async ({ name, bytes }) => {
    const found = await store.head(fileKey(manifest.id, name), withSignal(options));
    if (found?.bytes === bytes) return;
    const how = found === undefined ? 'is missing' : `has ${found.bytes} bytes instead of ${bytes}`;
    throw new HoldfastError('BACKUP_CORRUPT', `${key} cannot be finished: ${name} of ${manifest.id} ${how}`);
  });
}

/** Puts the manifest at its key; somebody else who finishes the same claims puts the same. */
export async function makeVisible(repository: Repository, claim: Claim, won: readonly Fire[], options: ClaimOptions): Promise<Manifest> {
  const { id } = claim.manifest;
  const narrowed = won.length < inOrder(claim.manifest.fires ?? []).length;
  const bytes = narrowed ? encodeManifest({ ...manifestLine(claim), fires: won }, options.signingKey) : claim.bytes;
  try {
    await repository.store.put(manifestKey(id), bytes, withSignal(options));
  } catch (thrown) {
    if (!isCode(thrown, 'STORE_EXISTS')) throw thrown;
    return (await requireManifest(repository, id, options)).manifest;
  }
  return narrowed ? { ...claim.manifest, fires: won } : claim.manifest;
}

/** As it was written, with fields that only a newer version knows. */
function manifestLine({ bytes }: Claim): Manifest {
  return parseLine(splitLines(bytes, 'the manifest').content, 'the manifest') as Manifest;
}

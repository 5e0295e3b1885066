import type { Manifest } from '../domain/backup-set.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Identity } from '../domain/identity.ts';
import { noProgress, type Progress } from '../domain/runtime.ts';
import { setFolders } from './catalog.ts';
import { isDamage } from './damage.ts';
import { type Finding, type Findings, gatherFindings } from './findings.ts';
import { manifestKey, manifestName, setPrefix } from './layout.ts';
import type { ManifestSignature, SignedManifest } from './manifest.ts';
import { type CallOptions, withSignal } from './read-bytes.ts';
import { readManifest } from './read-manifest.ts';
import type { Repository } from './repository.ts';
import { verifyFiles } from './verify-files.ts';
import { verifyVolumes } from './verify-volumes.ts';

export interface VerifyOptions extends CallOptions {
  /** age identities: with one, every object is opened and compared; without, only what lies sealed. */
  readonly identities?: readonly Identity[] | undefined;
  /** Public keys (PEM) of which one must have signed; the repository's own unless given. */
  readonly trusted?: readonly string[] | undefined;
  readonly progress?: Progress | undefined;
}

export interface VerifyReport {
  readonly id: string;
  /** `incomplete`: there is no manifest, so there is no set: it is being written, or deleted, or was interrupted. Harmless. */
  readonly state: 'verified' | 'damaged' | 'incomplete';
  /** `files`: every digest of every file. `contents`: also every object in them. */
  readonly depth: 'files' | 'contents';
  readonly phase?: Manifest['phase'];
  readonly signature?: ManifestSignature;
  /** Files read, the manifest included. */
  readonly files: number;
  readonly bytes: number;
  /** Objects whose bytes were compared with their digest. */
  readonly objects: number;
  /** Claims whose snapshot and password were found whole in their restic repository; its packs are read by upkeep. */
  readonly volumes: number;
  readonly findings: readonly Finding[];
  /** Findings beyond those named. */
  readonly unnamed: number;
}

/**
 * Checks a set against its signed manifest. Damage is data in the report. Thrown are: a store that cannot be read (STORE_ codes),
 * BACKUP_NOT_FOUND where nothing of the set lies in the location, and IDENTITY_WRONG where no given identity opens an intact file.
 */
export function verifySet(repository: Repository, id: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  return check(repository, id, options, 'throw');
}

async function check(repository: Repository, id: string, options: VerifyOptions, stranger: 'throw' | 'note'): Promise<VerifyReport> {
  const findings = gatherFindings();
  const signed = await manifestOrFinding(repository, id, options, findings);
  if (signed === undefined) {
    const stored = await storedFiles(repository, id, options);
    if (stored.length === 0) throw new HoldfastError('BACKUP_NOT_FOUND', `${repository.store.url} holds no backup ${JSON.stringify(id)}`);
    if (!findings.failed) findings.note('BACKUP_NOT_FOUND', setPrefix(id), `incomplete, harmless: ${stored.length} files and no manifest`);
    const state = findings.failed ? 'damaged' : 'incomplete';
    return { id, state, depth: 'files', files: 0, bytes: 0, objects: 0, volumes: 0, findings: findings.named, unnamed: findings.unnamed };
  }
  const { manifest, signature } = signed;
  const checked = await verifyFiles(repository, manifest, {
    identities: options.identities ?? [],
    signal: options.signal,
    progress: options.progress ?? noProgress,
    findings,
    stranger,
  }).catch((thrown: unknown) => {
    if (!isCode(thrown, 'IDENTITY_WRONG')) throw thrown;
    const sealedTo = manifest.encryption.recipients.join(', ');
    throw new HoldfastError('IDENTITY_WRONG', `${id}: ${thrown.message}: it is sealed to ${sealedTo}`, { cause: thrown });
  });
  const volumes = await verifyVolumes(repository, manifest, { signal: options.signal, findings });
  await noteStrangers(repository, manifest, options, findings);
  return {
    id,
    state: findings.failed ? 'damaged' : 'verified',
    depth: checked.depth,
    phase: manifest.phase,
    signature,
    files: checked.files + 1,
    bytes: checked.bytes,
    objects: checked.objects,
    volumes,
    findings: findings.named,
    unnamed: findings.unnamed,
  };
}

async function manifestOrFinding(
  repository: Repository,
  id: string,
  options: VerifyOptions,
  findings: Findings,
): Promise<SignedManifest | undefined> {
  try {
    return await readManifest(repository, id, options);
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    findings.error(thrown.code, manifestKey(id), thrown.message);
    return undefined;
  }
}

async function storedFiles(repository: Repository, id: string, options: CallOptions): Promise<string[]> {
  const names: string[] = [];
  for await (const name of repository.store.listNames(setPrefix(id), withSignal(options))) names.push(name);
  return names;
}

/** Files that no manifest vouches for are never read, but somebody put them there. */
async function noteStrangers(repository: Repository, manifest: Manifest, options: CallOptions, findings: Findings): Promise<void> {
  const known = new Set([manifestName, ...manifest.shards.map(file => file.name), ...manifest.index.map(file => file.name)]);
  for (const name of await storedFiles(repository, manifest.id, options)) {
    if (!known.has(name)) findings.note('BACKUP_CORRUPT', `${setPrefix(manifest.id)}${name}`, 'not named by the manifest, and never read');
  }
}

export interface RepositoryReport {
  /** Every set is whole; half-written ones do not count against it. */
  readonly ok: boolean;
  /** Oldest first. */
  readonly sets: readonly VerifyReport[];
}

/**
 * Verifies every set, one after the other, and names what was left half-written. Sets may be sealed to different recipients: one that no given
 * identity opens is checked as far as it lies sealed, with a note. IDENTITY_WRONG where that is all of them.
 */
export async function verifyRepository(repository: Repository, options: VerifyOptions = {}): Promise<RepositoryReport> {
  const sets: VerifyReport[] = [];
  for await (const id of setFolders(repository, options)) {
    try {
      sets.push(await check(repository, id, options, 'note'));
    } catch (thrown) {
      // Deleted since it was listed.
      if (!isCode(thrown, 'BACKUP_NOT_FOUND')) throw thrown;
    }
  }
  const strange = sets.flatMap(set => set.findings.filter(finding => finding.code === 'IDENTITY_WRONG'));
  if (strange[0] !== undefined && !sets.some(set => set.depth === 'contents')) {
    throw new HoldfastError('IDENTITY_WRONG', `no set opens with the given identity: ${strange[0].message}`);
  }
  return { ok: sets.every(report => report.state !== 'damaged'), sets };
}

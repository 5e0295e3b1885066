import * as z from 'zod';
import { recipientFingerprint } from '../crypto/age.ts';
import { signingKeyId } from '../crypto/signing.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { infoKey, isSetId, setsPrefix } from './layout.ts';
import { firstIssue } from './manifest.ts';
import { type CallOptions, readBytes, withSignal } from './read-bytes.ts';
import { refuseOtherVersion } from './signed-file.ts';
import { digestLine, joinLines, parseLine, splitLines } from './signed-lines.ts';

const maxInfoBytes = 1024 * 1024;

/** What `holdfast.json` says; written once. */
export interface RepositoryInfo {
  readonly formatVersion: 1;
  /** 32 hex digits; every manifest repeats it. */
  readonly id: string;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  /** Of the age recipients that every set is sealed to; empty for a repository in the clear. */
  readonly recipientFingerprints: readonly string[];
  readonly signingKeyIds: readonly string[];
  /** The keys themselves (PEM): enough to notice damage, while trust needs a key that came another way. */
  readonly signingPublicKeys: readonly string[];
}

export interface Repository {
  readonly store: ObjectStore;
  readonly info: RepositoryInfo;
}

const infoSchema = z.object({
  formatVersion: z.literal(1),
  id: z.string().regex(/^[0-9a-f]{32}$/),
  createdAt: z.iso.datetime(),
  recipientFingerprints: z.array(z.string()),
  signingKeyIds: z.array(z.string()).min(1),
  signingPublicKeys: z.array(z.string()),
}) satisfies z.ZodType<RepositoryInfo, unknown>;

export interface InitOptions {
  /** age recipients; two or more are advised (operator, break-glass). */
  readonly recipients: readonly string[];
  /** PEM. */
  readonly signingPublicKey: string;
  readonly runtime: Pick<Runtime, 'now' | 'random'>;
  /** Allows a repository without recipients: everything in it, Secrets too, lies in the clear. For tests. */
  readonly insecurePlaintext?: boolean;
  readonly signal?: AbortSignal;
}

const lostInfo = {
  hint: `bring ${infoKey} back from a copy, or from an earlier version of the bucket; with another one, what lies beside it could not be read any more`,
};

/** Makes an empty location a repository. REPO_EXISTS when it is one, or was; RECIPIENT_MISSING, KEY_INVALID. */
export async function initRepository(store: ObjectStore, options: InitOptions): Promise<Repository> {
  const { recipients, signingPublicKey, runtime } = options;
  if (recipients.length === 0 && options.insecurePlaintext !== true) {
    throw new HoldfastError('RECIPIENT_MISSING', `${store.url}: a repository without recipients would hold every Secret in the clear`);
  }
  const info: RepositoryInfo = {
    formatVersion: 1,
    id: Buffer.from(runtime.random(16)).toString('hex'),
    createdAt: runtime.now().toISOString(),
    recipientFingerprints: recipients.map(recipientFingerprint),
    signingKeyIds: [signingKeyId(signingPublicKey)],
    signingPublicKeys: [signingPublicKey],
  };
  const content = JSON.stringify(info);
  if (await hasLostInfo(store, options)) {
    throw new HoldfastError('REPO_EXISTS', `${store.url} has backups already, but no ${infoKey}: it was deleted`, lostInfo);
  }
  try {
    await store.put(infoKey, joinLines(content, digestLine(Buffer.from(content))), withSignal(options));
  } catch (thrown) {
    // Of a location that is a file and no folder, nothing can be read either.
    const isThere = isCode(thrown, 'STORE_EXISTS') && (await store.head(infoKey, withSignal(options))) !== undefined;
    if (isThere) throw new HoldfastError('REPO_EXISTS', `${store.url} already holds a repository`, { cause: thrown });
    throw thrown;
  }
  return { store, info };
}

/** Are there sets without the file that makes them a repository? Their manifests name its id, so that no other one will do. */
async function hasLostInfo(store: ObjectStore, options: CallOptions): Promise<boolean> {
  try {
    if ((await store.head(infoKey, withSignal(options))) !== undefined) return false;
    for await (const name of store.listNames(setsPrefix, withSignal(options))) if (isSetId(name.replace(/\/$/, ''))) return true;
    return false;
  } catch (thrown) {
    // Who may write need not be allowed to look.
    if (isCode(thrown, 'STORE_FORBIDDEN')) return false;
    throw thrown;
  }
}

/** REPO_NOT_FOUND, REPO_UNSUPPORTED for a newer format, BACKUP_CORRUPT when `holdfast.json` was altered. */
export async function openRepository(store: ObjectStore, options: CallOptions = {}): Promise<Repository> {
  const bytes = await readBytes(store, infoKey, maxInfoBytes, options);
  if (bytes === undefined && (await hasLostInfo(store, options))) {
    throw new HoldfastError('BACKUP_CORRUPT', `${store.url} has backups, but no ${infoKey}: it was deleted`, lostInfo);
  }
  if (bytes === undefined) throw new HoldfastError('REPO_NOT_FOUND', `${store.url} holds no repository: there is no ${infoKey}`);
  try {
    return { store, info: infoIn(bytes) };
  } catch (thrown) {
    if (!isCode(thrown, 'BACKUP_CORRUPT')) throw thrown;
    throw new HoldfastError('BACKUP_CORRUPT', `${store.url}: ${thrown.message}`, { cause: thrown, ...lostInfo });
  }
}

function infoIn(bytes: Uint8Array): RepositoryInfo {
  const { content, proof } = splitLines(bytes, infoKey);
  if (digestLine(content) !== proof) throw new HoldfastError('BACKUP_CORRUPT', `${infoKey} does not match its digest`);
  const value = parseLine(content, infoKey);
  refuseOtherVersion(value, infoKey);
  const parsed = infoSchema.safeParse(value);
  if (!parsed.success) throw new HoldfastError('BACKUP_CORRUPT', `${infoKey} is malformed: ${firstIssue(parsed.error)}`);
  return parsed.data;
}

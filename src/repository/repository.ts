import * as z from 'zod';
import { recipientFingerprint } from '../crypto/age.ts';
import { signingKeyId } from '../crypto/signing.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { infoKey } from './layout.ts';
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

/** Makes an empty location a repository. REPO_EXISTS when it is one; RECIPIENT_MISSING, KEY_INVALID. */
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

/** REPO_NOT_FOUND, REPO_UNSUPPORTED for a newer format, BACKUP_CORRUPT when `holdfast.json` was altered. */
export async function openRepository(store: ObjectStore, options: CallOptions = {}): Promise<Repository> {
  const bytes = await readBytes(store, infoKey, maxInfoBytes, options);
  if (bytes === undefined) throw new HoldfastError('REPO_NOT_FOUND', `${store.url} holds no repository: there is no ${infoKey}`);
  const { content, proof } = splitLines(bytes, infoKey);
  if (digestLine(content) !== proof) throw new HoldfastError('BACKUP_CORRUPT', `${infoKey} does not match its digest`);
  const value = parseLine(content, infoKey);
  refuseOtherVersion(value, infoKey);
  const parsed = infoSchema.safeParse(value);
  if (!parsed.success) throw new HoldfastError('BACKUP_CORRUPT', `${infoKey} is malformed: ${firstIssue(parsed.error)}`);
  return { store, info: parsed.data };
}

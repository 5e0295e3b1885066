import { createHash } from 'node:crypto';
import * as z from 'zod';
import { signingKeyId } from '../crypto/signing.ts';
import { clockSlackMs } from '../domain/clock-slack.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Part } from '../domain/policy.ts';
import type { Runtime } from '../domain/runtime.ts';
import { setIdPattern, stampOf } from '../domain/set-id.ts';
import type { ReadableSet } from './catalog.ts';
import { createCompressor } from './compressor.ts';
import { isDamage } from './damage.ts';
import { firstIssue, selectionSchema } from './manifest.ts';
import { type CallOptions, readBytes, withSignal } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { decodeSigned, encodeSigned } from './signed-file.ts';
import { unsealed } from './unseal.ts';

/** Below it one file a snapshot. */
const snapshotsPrefix = 'catalog/';
const namePattern = /^(\d{8}T\d{6}Z)\.ndjson\.zst$/;
const maxStoredBytes = 64 * 1024 * 1024;
/** A small file may decompress to much. Ten thousand sets take 5 MB. */
const maxBytes = 512 * 1024 * 1024;
const blockBytes = 64 * 1024;
const keptSnapshots = 2;

const count = z.int().min(0);
const time = z.iso.datetime();

const headerSchema = z.object({
  formatVersion: z.literal(1),
  repository: z.string(),
  at: time,
  sets: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const part = z.string().transform(text => text as Part);

const lineSchema = z.object({
  keyId: z.string(),
  id: z.string().regex(setIdPattern),
  startedAt: time,
  phase: z.enum(['Completed', 'PartiallyFailed']),
  tier: z.string(),
  fires: z.array(z.object({ policy: z.string(), tier: z.string(), at: time })),
  asked: z.array(part).exactOptional(),
  notProtected: z.array(part),
  finishedAt: time,
  objects: count,
  bytes: count,
  storedBytes: count,
  problems: count,
  consistency: z.enum(['instant', 'per-kind']),
  revision: z.string().exactOptional(),
  cluster: z.object({ uid: z.string(), version: z.string(), server: z.string() }),
  selection: selectionSchema,
}) satisfies z.ZodType<ReadableSet & { keyId: string }, unknown>;

/** A set, and the id of the key that signed its manifest. */
export interface SignedSummary {
  readonly summary: ReadableSet;
  readonly keyId: string;
}

export interface Snapshot {
  readonly at: Date;
  readonly sets: readonly SignedSummary[];
}

export interface SnapshotWriting extends CallOptions {
  /** Ed25519 private key, PEM. */
  readonly signingKey: string;
  readonly runtime: Pick<Runtime, 'now'>;
  /** Asked before each write and delete: NOT_LEADER. */
  readonly mayWrite?: () => void;
}

/** Writes what lists show of all these sets into one file. One that was written in the same second stands for it. STORE_ codes. */
export async function writeSnapshot(
  { store, info }: Repository,
  sets: readonly SignedSummary[],
  { signingKey, runtime, mayWrite, ...call }: SnapshotWriting,
): Promise<Date> {
  const at = runtime.now();
  const hash = createHash('sha256');
  const blocks: Buffer[] = [];
  for (const block of textBlocks(sets)) {
    hash.update(block);
    blocks.push(block);
  }
  const header = { formatVersion: 1, repository: info.id, at: at.toISOString(), sets: sets.length, sha256: hash.digest('hex') };
  const compressor = createCompressor();
  await compressor.write(encodeSigned(header, signingKey));
  for (const block of blocks) await compressor.write(block);
  const bytes = Buffer.concat(await compressor.finish());
  mayWrite?.();
  try {
    await store.put(`${snapshotsPrefix}${stampOf(at)}.ndjson.zst`, bytes, withSignal(call));
  } catch (thrown) {
    if (!isCode(thrown, 'STORE_EXISTS')) throw thrown;
  }
  return at;
}

function* textBlocks(sets: readonly SignedSummary[]): Generator<Buffer> {
  let text = '';
  for (const { keyId, summary } of sets) {
    text += `${JSON.stringify({ keyId, ...summary })}\n`;
    if (text.length < blockBytes) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

/** Deletes all but the newest two, and those of a wrong clock, which would hide newer ones. STORE_ codes. */
export async function dropOldSnapshots(
  repository: Repository,
  { runtime, mayWrite, ...call }: Omit<SnapshotWriting, 'signingKey'>,
): Promise<void> {
  const latest = stampOf(new Date(runtime.now().getTime() + clockSlackMs));
  const names = await snapshotNames(repository, call);
  const past = names.filter(name => name.slice(0, latest.length) <= latest);
  const kept = new Set(past.slice(-keptSnapshots));
  for (const name of names.filter(one => !kept.has(one))) {
    mayWrite?.();
    await repository.store.delete(`${snapshotsPrefix}${name}`, withSignal(call));
  }
}

/**
 * The newest snapshot that can be relied on as much as on the manifests themselves: signed by a key that manifests may be signed with, and of
 * its sets those whose manifest was. Others are passed over, each with a notice. Undefined where there is none. STORE_ codes.
 */
export async function readNewestSnapshot(
  repository: Repository,
  options: CallOptions & { readonly trusted?: readonly string[] | undefined; readonly onNotice?: ((notice: string) => void) | undefined },
): Promise<Snapshot | undefined> {
  for (const name of (await snapshotNames(repository, options)).reverse()) {
    try {
      const snapshot = await readSnapshot(repository, `${snapshotsPrefix}${name}`, options);
      if (snapshot !== undefined) return snapshot;
    } catch (thrown) {
      if (!isDamage(thrown)) throw thrown;
      options.onNotice?.(`a snapshot of the catalog was passed over, and will be made anew: ${thrown.message}`);
    }
  }
  return undefined;
}

/** Oldest first. */
async function snapshotNames({ store }: Repository, options: CallOptions): Promise<string[]> {
  const names = await Array.fromAsync(store.listNames(snapshotsPrefix, withSignal(options)));
  return names.filter(name => namePattern.test(name));
}

async function readSnapshot(
  { store, info }: Repository,
  key: string,
  { trusted = [], signal }: CallOptions & { readonly trusted?: readonly string[] | undefined },
): Promise<Snapshot | undefined> {
  const stored = await readBytes(store, key, maxStoredBytes, { signal });
  if (stored === undefined) return undefined;
  const lines = linesOf(key, stored, signal);
  const [content, proof] = [await nextLine(lines), await nextLine(lines)];
  const { value } = decodeSigned(Buffer.from(`${content}\n${proof}\n`), key, { trusted, known: info.signingPublicKeys });
  const header = headerSchema.safeParse(value);
  if (!header.success) throw corrupt(key, `has a malformed header: ${firstIssue(header.error)}`);
  if (header.data.repository !== info.id) throw corrupt(key, `belongs to another repository, ${header.data.repository}`);
  const accepted = new Set((trusted.length > 0 ? trusted : info.signingPublicKeys).map(signingKeyId));
  const hash = createHash('sha256');
  const sets: SignedSummary[] = [];
  let listed = 0;
  for await (const text of lines) {
    hash.update(`${text}\n`);
    listed++;
    const set = setOf(text, key);
    // Of a manifest by a key that counts no more, the manifest itself is asked.
    if (accepted.size === 0 || accepted.has(set.keyId)) sets.push(set);
  }
  // Nothing of it is given out before this.
  if (hash.digest('hex') !== header.data.sha256 || listed !== header.data.sets)
    throw corrupt(key, 'does not have the digest that its header names');
  return { at: new Date(header.data.at), sets };
}

function setOf(text: string, key: string): SignedSummary {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw corrupt(key, 'has a line that is no JSON');
  }
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) throw corrupt(key, `has a malformed line: ${firstIssue(parsed.error)}`);
  const { keyId, ...summary } = parsed.data;
  return { keyId, summary };
}

async function nextLine(lines: AsyncGenerator<string>): Promise<string> {
  const next = await lines.next();
  return next.done === true ? '' : next.value;
}

async function* linesOf(key: string, stored: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let [rest, bytes] = ['', 0];
  for await (const chunk of unsealed(key, stored, { identities: [], signal })) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw corrupt(key, `decompresses to more than the ${maxBytes} bytes it should have at most`);
    const texts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = texts.pop()!;
    yield* texts;
  }
  if (rest !== '') throw corrupt(key, 'does not end with a line');
}

function corrupt(key: string, what: string): HoldfastError {
  return new HoldfastError('BACKUP_CORRUPT', `${key} ${what}`);
}

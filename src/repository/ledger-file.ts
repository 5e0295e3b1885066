import * as z from 'zod';
import { sha256Hex } from '../crypto/digest.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { LedgerAction, LedgerEntry } from '../domain/ledger.ts';
import { firstIssue } from './manifest.ts';
import { type CallOptions, readBytes, withSignal } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { decodeSigned } from './signed-file.ts';

/** Below it one file an entry. */
const ledgerPrefix = 'ledger/';
const maxEntryBytes = 1024 * 1024;
/** Numbers have eight digits, so that keys sort as numbers do. */
export const lastPossible = 99_999_999;
/** What the first entry has before it. */
export const noPrevious = '0'.repeat(64);

const keyPattern = /^ledger\/(\d{8})\.json$/;

const entrySchema = z.object({
  formatVersion: z.literal(1),
  seq: z.int().min(1),
  at: z.iso.datetime(),
  previous: z.string().regex(/^[0-9a-f]{64}$/),
  repository: z.string(),
  // A newer writer may know actions that this reader does not; they are shown.
  action: z.string().transform(action => action as LedgerAction),
  actor: z.object({ name: z.string(), via: z.enum(['schedule', 'api', 'cli', 'service']) }),
  subject: z.string(),
  details: z.record(z.string(), z.unknown()),
}) satisfies z.ZodType<LedgerEntry, unknown>;

/** `ledger/00000001.json` */
export function ledgerKey(seq: number): string {
  return `${ledgerPrefix}${String(seq).padStart(8, '0')}.json`;
}

/** Undefined for a key that is no entry's. */
function ledgerSeq(key: string): number | undefined {
  const seq = Number(keyPattern.exec(key)?.[1] ?? 0);
  return seq === 0 ? undefined : seq;
}

/** An entry as it lies in the repository. */
export interface StoredEntry {
  readonly entry: LedgerEntry;
  /** Of the whole file, lower-case hex: what the next entry carries. */
  readonly sha256: string;
}

/** Undefined when there is none. SIGNATURE_INVALID, BACKUP_CORRUPT, REPO_UNSUPPORTED. */
export async function readEntry(
  { store, info }: Repository,
  seq: number,
  options: CallOptions & { readonly trusted?: readonly string[] | undefined },
): Promise<StoredEntry | undefined> {
  const key = ledgerKey(seq);
  const bytes = await readBytes(store, key, maxEntryBytes, options);
  if (bytes === undefined) return undefined;
  const { value } = decodeSigned(bytes, key, { trusted: options.trusted ?? [], known: info.signingPublicKeys });
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) throw new HoldfastError('BACKUP_CORRUPT', `${key} is malformed: ${firstIssue(parsed.error)}`);
  if (parsed.data.seq !== seq) throw new HoldfastError('BACKUP_CORRUPT', `${key} says that it is entry ${parsed.data.seq}`);
  if (parsed.data.repository !== info.id) {
    throw new HoldfastError('BACKUP_CORRUPT', `${key} belongs to another repository, ${parsed.data.repository}`);
  }
  return { entry: parsed.data, sha256: sha256Hex(bytes) };
}

/** SHA-256 of the file of an entry, whatever is in it; undefined when there is none. BACKUP_CORRUPT when it is larger than any entry. */
export async function entryDigest({ store }: Repository, seq: number, options: CallOptions): Promise<string | undefined> {
  const bytes = await readBytes(store, ledgerKey(seq), maxEntryBytes, options);
  return bytes === undefined ? undefined : sha256Hex(bytes);
}

/** Numbers of the entries there are, ascending, from after `after` on. `onOther` is told of keys that are no entry's; with 0 of all such. */
export async function* entryNumbers(
  { store }: Repository,
  after: number,
  options: CallOptions & { readonly onOther?: (key: string) => void },
): AsyncGenerator<number> {
  const from = after === 0 ? {} : { startAfter: ledgerKey(after) };
  for await (const { key } of store.list(ledgerPrefix, { ...from, ...withSignal(options) })) {
    const seq = ledgerSeq(key);
    if (seq !== undefined) yield seq;
    else options.onOther?.(key);
  }
}

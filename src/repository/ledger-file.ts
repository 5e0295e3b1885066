import * as z from 'zod';
import { sha256Hex } from '../crypto/digest.ts';
import { HoldfastError } from '../domain/errors.ts';
import { type LedgerAction, type LedgerEntry, ledgerActions } from '../domain/ledger.ts';
import { firstIssue } from './manifest.ts';
import { type CallOptions, readBytes, withSignal } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { decodeSigned } from './signed-file.ts';

/** Below it one file an entry. */
export const ledgerPrefix = 'ledger/';
export const maxEntryBytes = 1024 * 1024;
/** What the first entry has before it. */
export const noPrevious = '0'.repeat(64);

const keyPattern = /^ledger\/(\d{8})\.json$/;
const actions: readonly string[] = ledgerActions;

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
export function ledgerSeq(key: string): number | undefined {
  const digits = keyPattern.exec(key)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function isKnownAction(action: string): boolean {
  return actions.includes(action);
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

/** Numbers of the entries there are, ascending, from after `after` on. */
export async function* entryNumbers({ store }: Repository, after: number, options: CallOptions): AsyncGenerator<number> {
  for await (const { key } of store.list(ledgerPrefix, { startAfter: ledgerKey(after), ...withSignal(options) })) {
    const seq = ledgerSeq(key);
    if (seq !== undefined) yield seq;
  }
}

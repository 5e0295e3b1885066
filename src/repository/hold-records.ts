import * as z from 'zod';
import { HoldfastError, isCode } from '../domain/errors.ts';
import { isDamage } from './damage.ts';
import { isSetId } from './layout.ts';
import { firstIssue } from './manifest.ts';
import { type CallOptions, readBytes, withSignal } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { decodeSigned, encodeSigned } from './signed-file.ts';

/** Below it one folder for each set that was ever held, named by its id. */
export const holdsPrefix = 'holds/';
const maxRecordBytes = 64 * 1024;

/** One change: that a set is held from now on, or no more. The one with the highest number counts. */
export interface HoldRecord {
  readonly formatVersion: 1;
  readonly repository: string;
  readonly set: string;
  /** From 1. */
  readonly seq: number;
  readonly held: boolean;
  /** The set is being deleted: nobody can hold it any more. Only with `held: false`. */
  readonly deleting?: true;
  readonly reason: string;
  readonly by: string;
  /** RFC 3339, UTC. */
  readonly at: string;
}

const recordSchema = z.object({
  formatVersion: z.literal(1),
  repository: z.string(),
  set: z.string(),
  seq: z.int().min(1),
  held: z.boolean(),
  deleting: z.literal(true).exactOptional(),
  reason: z.string(),
  by: z.string(),
  at: z.iso.datetime(),
}) satisfies z.ZodType<HoldRecord, unknown>;

export interface HoldReadOptions extends CallOptions {
  /** Public keys (PEM) of which one must have signed; the repository's own unless given. */
  readonly trusted?: readonly string[] | undefined;
}

/** `holds/<set id>/0001.json` */
export function holdKey(set: string, seq: number): string {
  return `${holdsPrefix}${set}/${String(seq).padStart(4, '0')}.json`;
}

/** Ids of the sets that have hold records, ascending. */
export async function* setsWithHolds({ store }: Repository, options: CallOptions): AsyncGenerator<string> {
  for await (const name of store.listNames(holdsPrefix, withSignal(options))) {
    const id = name.endsWith('/') ? name.slice(0, -1) : '';
    if (isSetId(id)) yield id;
  }
}

/** Numbers of the records of a set, ascending. */
export async function holdNumbers({ store }: Repository, set: string, options: CallOptions): Promise<number[]> {
  const found: number[] = [];
  for await (const name of store.listNames(`${holdsPrefix}${set}/`, withSignal(options))) {
    const seq = Number(/^(\d{4,})\.json$/.exec(name)?.[1] ?? 0);
    if (seq > 0) found.push(seq);
  }
  return found.sort((a, b) => a - b);
}

/** SIGNATURE_INVALID, BACKUP_CORRUPT, REPO_UNSUPPORTED for anything but a signed record of this repository, set and number. */
export async function readHoldRecord(
  { store, info }: Repository,
  set: string,
  seq: number,
  options: HoldReadOptions,
): Promise<HoldRecord | undefined> {
  const key = holdKey(set, seq);
  const bytes = await readBytes(store, key, maxRecordBytes, options);
  if (bytes === undefined) return undefined;
  const { value } = decodeSigned(bytes, key, { trusted: options.trusted ?? [], known: info.signingPublicKeys });
  const parsed = recordSchema.safeParse(value);
  if (!parsed.success) throw new HoldfastError('BACKUP_CORRUPT', `${key} is malformed: ${firstIssue(parsed.error)}`);
  const record = parsed.data;
  if (record.repository !== info.id || record.set !== set || record.seq !== seq) {
    throw new HoldfastError('BACKUP_CORRUPT', `${key} is the record of another set, number or repository`);
  }
  return record;
}

/** A record that cannot be believed, as data: what is wrong with the store is thrown. */
export async function readOrDamage(
  repository: Repository,
  set: string,
  seq: number,
  options: HoldReadOptions,
): Promise<HoldRecord | string | undefined> {
  try {
    return await readHoldRecord(repository, set, seq, options);
  } catch (thrown) {
    if (isDamage(thrown)) return thrown.message;
    throw thrown;
  }
}

/** False when somebody else has this number. May be called again with the same record after any error. */
export async function putHoldRecord(
  { store }: Repository,
  record: HoldRecord,
  options: CallOptions & { readonly signingKey: string },
): Promise<boolean> {
  const key = holdKey(record.set, record.seq);
  const bytes = encodeSigned(record, options.signingKey);
  try {
    await store.put(key, bytes, withSignal(options));
    return true;
  } catch (thrown) {
    if (!isCode(thrown, 'STORE_EXISTS')) throw thrown;
    const found = await readBytes(store, key, maxRecordBytes, options);
    return found?.equals(bytes) ?? false;
  }
}

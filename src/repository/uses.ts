import * as z from 'zod';
import { sha256Hex } from '../crypto/digest.ts';
import { clockSlackMs } from '../domain/clock-slack.ts';
import { asHoldfastError, HoldfastError } from '../domain/errors.ts';
import type { OperationRequest } from '../domain/operation.ts';
import type { Runtime } from '../domain/runtime.ts';
import { isDamage } from './damage.ts';
import { isBeingDeleted } from './holds.ts';
import { isSetId } from './layout.ts';
import { type CallOptions, readBytes, withSignal } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { digestLine, joinLines, parseLine, splitLines } from './signed-lines.ts';

/** Below it one folder for each set that somebody reads just now, named by its id; `all` for every set. */
export const usesPrefix = 'uses/';

const beatMs = 5 * 60_000;
/** A reader that has said nothing for as long is gone. */
const lastsMs = 20 * 60_000;
/** So long the work of a service that was killed waits for the next leader. */
const waitsMs = 24 * 3_600_000;
const lastWordsMs = 5_000;
const maxRecordBytes = 64 * 1024;

/** What is done with a set, and what it is called. */
export const useWords = { restore: 'being restored', verify: 'being verified', validate: 'being validated' } as const;
export type UseKind = keyof typeof useWords;

interface UseRecord {
  readonly formatVersion: 1;
  readonly repository: string;
  readonly set: string;
  readonly kind: UseKind;
  readonly by: string;
  /** RFC 3339, UTC, by the reader's clock. */
  readonly at: string;
}

const recordSchema = z.object({
  formatVersion: z.literal(1),
  repository: z.string(),
  set: z.string(),
  kind: z.enum(['restore', 'verify', 'validate']),
  by: z.string(),
  at: z.iso.datetime(),
}) satisfies z.ZodType<UseRecord, unknown>;

export interface UseOptions extends CallOptions {
  readonly kind: UseKind;
  readonly by: string;
  readonly runtime: Runtime;
  /** Of which operation: a process that goes on with it after another was killed clears what that has left. */
  readonly operation?: string;
  /** Told once why retention may not know of it. */
  readonly onTrouble: (why: string) => void;
}

/** That a process reads a set. */
export interface Use {
  /** Never rejects. */
  close(): Promise<void>;
}

/**
 * Tells retention that this process reads a set, or `all`, before it does, and again every five minutes. Where that cannot be written, as with credentials
 * that may only read, the reader is told so, and goes on. Rejects only with the signal's reason.
 */
export async function beginUse(repository: Repository, set: string, options: UseOptions): Promise<Use> {
  const { runtime, onTrouble, signal } = options;
  const name = options.operation === undefined ? Buffer.from(runtime.random(8)).toString('hex') : nameOf(options.operation);
  const done = new AbortController();
  let last: string | undefined;
  let isTold = false;
  const trouble = (why: string) => {
    if (!isTold) onTrouble(`${why}: retention may delete ${set === 'all' ? 'a backup' : set} while it is ${useWords[options.kind]}`);
    isTold = true;
  };

  const beat = async (number: number, within: AbortSignal | undefined): Promise<void> => {
    const key = `${usesPrefix}${set}/${name}-${String(number).padStart(4, '0')}.json`;
    try {
      await repository.store.put(key, encode(repository, set, options), withSignal({ signal: within }));
      const before = last;
      last = key;
      if (before !== undefined) await repository.store.delete(before, withSignal({ signal: within }));
    } catch (thrown) {
      within?.throwIfAborted();
      if (last !== key) trouble(asHoldfastError(thrown).message);
    }
  };

  const left = options.operation === undefined ? [] : await usesOf(repository, [options.operation], options).catch(() => []);
  signal?.throwIfAborted();
  const first = Math.max(0, ...left.map(numberOf)) + 1;
  await beat(first, signal);
  if (last !== undefined) for (const key of left) await repository.store.delete(key, withSignal(options)).catch(() => {});
  if (last !== undefined && set !== 'all' && (await isBeingDeleted(repository, set, options).catch(() => false))) {
    trouble('its deletion was begun');
  }
  const beats = (async () => {
    for (let number = first + 1; ; number++) {
      await runtime.sleep(beatMs, done.signal);
      await beat(number, done.signal);
    }
  })().catch(() => {});

  return {
    close: async () => {
      done.abort();
      await beats;
      // What may not be deleted ends by itself.
      if (last !== undefined) await repository.store.delete(last, { signal: AbortSignal.timeout(lastWordsMs) }).catch(() => {});
    },
  };
}

function encode({ info }: Repository, set: string, { kind, by, runtime }: UseOptions): Uint8Array {
  const record: UseRecord = { formatVersion: 1, repository: info.id, set, kind, by, at: runtime.now().toISOString() };
  const line = JSON.stringify(record);
  return joinLines(line, digestLine(Buffer.from(line)));
}

/** What others do with sets just now, by their ids or `all`: `being restored by alice`. */
export async function listUses(repository: Repository, options: CallOptions & { readonly now: Date }): Promise<Map<string, string>> {
  const uses = new Map<string, string>();
  for await (const { set, words } of currentUses(repository, options)) if (words !== undefined) uses.set(set, words);
  return uses;
}

/**
 * Does the record of an operation without a result say by itself that it is about to go on? It may wait for its turn, or for the leader after the one that was
 * killed; but no service that is gone for good may keep a set for ever. While it reads a set, its use says so.
 */
export function isAwaited({ createdAt }: Pick<OperationRequest, 'createdAt'>, now: Date): boolean {
  const age = now.getTime() - Date.parse(createdAt);
  return age >= -clockSlackMs && age < waitsMs;
}

/** Deletes what these operations left, whose processes were killed, and that nobody goes on with. */
export async function clearUsesOf(repository: Repository, operations: readonly string[], options: CallOptions): Promise<void> {
  if (operations.length === 0) return;
  for (const key of await usesOf(repository, operations, options)) await repository.store.delete(key, withSignal(options));
}

async function usesOf({ store }: Repository, operations: readonly string[], options: CallOptions): Promise<string[]> {
  const names = new Set(operations.map(nameOf));
  const keys = await Array.fromAsync(store.list(usesPrefix, withSignal(options)), ({ key }) => key);
  return keys.filter(key => names.has(/\/([0-9a-f]{16})-\d{4,}\.json$/.exec(key)?.[1] ?? ''));
}

function nameOf(operation: string): string {
  return sha256Hex(Buffer.from(operation)).slice(0, 16);
}

function numberOf(key: string): number {
  return Number(/-(\d+)\.json$/.exec(key)?.[1] ?? 0);
}

/** Deletes what readers left that were killed. Only for whoever deletes sets. */
export async function clearUses(repository: Repository, options: CallOptions & { readonly now: Date; mayDelete(): void }): Promise<void> {
  for await (const { key, words } of currentUses(repository, options)) {
    if (words !== undefined) continue;
    options.mayDelete();
    await repository.store.delete(key, withSignal(options));
  }
}

interface FoundUse {
  readonly key: string;
  readonly set: string;
  /** Undefined when it has ended. */
  readonly words: string | undefined;
}

/** A use goes on for as long as the store’s clock or the reader’s says so: one of them may be wrong. What is of the future says nothing. */
async function* currentUses(repository: Repository, options: CallOptions & { readonly now: Date }): AsyncGenerator<FoundUse> {
  const goesOn = (since: number) => options.now.getTime() < since + lastsMs + clockSlackMs;
  for await (const { key, modified } of repository.store.list(usesPrefix, withSignal(options))) {
    const [set = ''] = key.slice(usesPrefix.length).split('/');
    if (set !== 'all' && !isSetId(set)) continue;
    const record = await readUse(repository, key, options);
    if (record === 'gone') continue;
    const said = record === undefined ? 0 : Date.parse(record.at);
    const since = Math.max(modified.getTime(), said > options.now.getTime() + clockSlackMs ? 0 : said);
    const words = record === undefined ? 'being read, by a record that cannot be read' : `${useWords[record.kind]} by ${record.by}`;
    yield { key, set, words: goesOn(since) ? words : undefined };
  }
}

/** Undefined when it cannot be believed. */
async function readUse({ store, info }: Repository, key: string, options: CallOptions): Promise<UseRecord | 'gone' | undefined> {
  try {
    const bytes = await readBytes(store, key, maxRecordBytes, options);
    if (bytes === undefined) return 'gone';
    const { content, proof } = splitLines(bytes, key);
    if (digestLine(content) !== proof) throw new HoldfastError('BACKUP_CORRUPT', `${key} does not match its digest`);
    const { data } = recordSchema.safeParse(parseLine(content, key));
    return data?.repository === info.id ? data : undefined;
  } catch (thrown) {
    if (isDamage(thrown)) return undefined;
    throw thrown;
  }
}

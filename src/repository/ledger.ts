import { sha256Hex } from '../crypto/digest.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { LedgerAction, LedgerEntry, LedgerFact } from '../domain/ledger.ts';
import type { Runtime } from '../domain/runtime.ts';
import { mapAhead } from './concurrency.ts';
import { entryDigest, entryNumbers, lastPossible, ledgerKey, noPrevious, readEntry } from './ledger-file.ts';
import { type CallOptions, withSignal } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { encodeSigned } from './signed-file.ts';

/** Writers that get in each other's way more often than this are no accident. */
const mostTries = 50;
const firstDelayMs = 5;
const entriesAhead = 16;
/** Entries kept at hand, about half a kilobyte each. */
const mostRemembered = 1_000;

/** Where the chain ends. */
export interface LedgerHead {
  /** 0 for a ledger without entries. */
  readonly seq: number;
  /** SHA-256 of the last entry's file, lower-case hex; zeros for a ledger without entries. */
  readonly sha256: string;
}

interface TrustOptions {
  /** Public keys (PEM) of which one must have signed what is read; the repository's own unless given. */
  readonly trusted?: readonly string[] | undefined;
}

export interface LedgerOptions extends TrustOptions {
  /** Ed25519 private key, PEM. */
  readonly signingKey: string;
  readonly runtime: Pick<Runtime, 'now' | 'sleep'>;
}

export interface LedgerQuery {
  readonly limit: number;
  /** A sequence number: only entries before it. */
  readonly before?: number;
  readonly action?: LedgerAction;
}

/** The chain of everything that was done: each entry is signed and carries the digest of the one before. */
export interface Ledger {
  /**
   * Adds an entry after the last one, whoever wrote that and whatever is in it: a chain that was damaged still tells what happens from then on,
   * and the damage stays visible. Calls of one process are written in their order. After a STORE_ error the fact may be there or not.
   */
  append(fact: LedgerFact, options?: CallOptions): Promise<LedgerEntry>;
  /** Resolves when nothing that was to be added is still under way, whatever became of it. */
  idle(): Promise<void>;
  /** As far as this process knows. */
  head(): LedgerHead;
  /** As `readLedger`; what was read once is kept at hand. */
  read(query: LedgerQuery, options?: CallOptions): Promise<LedgerEntry[]>;
}

export function openLedger(repository: Repository, options: LedgerOptions): Ledger {
  const reader = createReader(repository, options);
  let line: Promise<unknown> = Promise.resolve();

  const put = async (fact: LedgerFact, call: CallOptions): Promise<LedgerEntry> => {
    for (let attempt = 1; ; attempt++) {
      const known = reader.head();
      const before = attempt === 1 && known.seq > 0 ? known : await reader.catchUp(call);
      if (before.seq >= lastPossible)
        throw new HoldfastError('BACKUP_CORRUPT', `${ledgerKey(before.seq)} leaves no number for another entry`);
      const entry: LedgerEntry = {
        formatVersion: 1,
        seq: before.seq + 1,
        at: options.runtime.now().toISOString(),
        previous: before.sha256,
        repository: repository.info.id,
        ...fact,
      };
      const bytes = encodeSigned(entry, options.signingKey);
      try {
        await repository.store.put(ledgerKey(entry.seq), bytes, withSignal(call));
        reader.advance({ seq: entry.seq, sha256: sha256Hex(bytes) });
        return entry;
      } catch (thrown) {
        if (!isCode(thrown, 'STORE_EXISTS')) throw thrown;
        if (attempt === mostTries) {
          throw new HoldfastError('STORE_ERROR', `the ledger of ${repository.store.url}: ${mostTries} times another writer was first`, {
            cause: thrown,
          });
        }
        await options.runtime.sleep(firstDelayMs * Math.min(attempt, 20), call.signal);
      }
    }
  };

  return {
    head: reader.head,
    append: (fact, call = {}) => {
      const appended = line.then(() => put(fact, call));
      line = appended.catch(() => {});
      return appended;
    },
    idle: async () => {
      await line;
    },
    read: (query, call = {}) => reader.read(query, call),
  };
}

/** Newest first. BACKUP_CORRUPT or SIGNATURE_INVALID where an entry on the way is missing or altered: a page of a ledger has no holes. */
export function readLedger(repository: Repository, query: LedgerQuery, options: CallOptions & TrustOptions = {}): Promise<LedgerEntry[]> {
  return createReader(repository, options).read(query, options);
}

interface Reader {
  head(): LedgerHead;
  /** Only forwards: of two that look at the same time the slower one may know less. */
  advance(to: LedgerHead): void;
  /** Looks for entries that others wrote. */
  catchUp(call: CallOptions): Promise<LedgerHead>;
  read(query: LedgerQuery, call: CallOptions): Promise<LedgerEntry[]>;
}

function createReader(repository: Repository, { trusted }: TrustOptions): Reader {
  const remembered = new Map<number, LedgerEntry>();
  let head: LedgerHead = { seq: 0, sha256: noPrevious };

  const advance = (to: LedgerHead): void => {
    if (to.seq > head.seq) head = to;
  };

  const catchUp = async (call: CallOptions): Promise<LedgerHead> => {
    let last = head.seq;
    for await (const seq of entryNumbers(repository, head.seq, call)) last = Math.max(last, seq);
    if (last <= head.seq) return head;
    const sha256 = await entryDigest(repository, last, call);
    if (sha256 === undefined) throw missing(last);
    advance({ seq: last, sha256 });
    return head;
  };

  const entryOf = async (seq: number, call: CallOptions): Promise<LedgerEntry> => {
    const known = remembered.get(seq);
    if (known !== undefined) return known;
    const stored = await readEntry(repository, seq, { ...call, trusted });
    if (stored === undefined) throw missing(seq);
    remembered.set(seq, stored.entry);
    if (remembered.size > mostRemembered) remembered.delete(remembered.keys().next().value!);
    return stored.entry;
  };

  return {
    head: () => head,
    advance,
    catchUp,
    read: async ({ limit, before, action }, call) => {
      const last = Math.min((await catchUp(call)).seq, (before ?? Number.POSITIVE_INFINITY) - 1);
      const entries: LedgerEntry[] = [];
      if (limit < 1) return entries;
      const ahead = action === undefined ? Math.min(limit, entriesAhead) : entriesAhead;
      for await (const entry of mapAhead(downFrom(last), ahead, seq => entryOf(seq, call))) {
        if (action === undefined || entry.action === action) entries.push(entry);
        if (entries.length >= limit) break;
      }
      return entries;
    },
  };
}

async function* downFrom(last: number): AsyncGenerator<number> {
  for (let seq = last; seq > 0; seq--) yield seq;
}

function missing(seq: number): HoldfastError {
  return new HoldfastError('BACKUP_CORRUPT', `${ledgerKey(seq)} is missing: the ledger has a gap`, { hint: 'run holdfast ledger verify' });
}

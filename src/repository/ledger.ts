import { sha256Hex } from '../crypto/digest.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { LedgerAction, LedgerEntry, LedgerFact } from '../domain/ledger.ts';
import type { Runtime } from '../domain/runtime.ts';
import { entryNumbers, ledgerKey, noPrevious, readEntry } from './ledger-file.ts';
import { type CallOptions, withSignal } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { encodeSigned } from './signed-file.ts';

/** Writers that get in each other's way more often than this are no accident. */
const mostTries = 50;
const firstDelayMs = 5;

/** Where the chain ends. */
export interface LedgerHead {
  /** 0 for a ledger without entries. */
  readonly seq: number;
  /** SHA-256 of the last entry's file, lower-case hex; zeros for a ledger without entries. */
  readonly sha256: string;
}

export interface LedgerOptions {
  /** Ed25519 private key, PEM. */
  readonly signingKey: string;
  /** Public keys (PEM) of which one must have signed; the repository's own unless given. */
  readonly trusted?: readonly string[] | undefined;
  readonly runtime: Pick<Runtime, 'now' | 'sleep'>;
}

/** The chain of everything that was done: each entry is signed and carries the digest of the one before. */
export interface Ledger {
  /**
   * Adds an entry after the last one, whoever wrote that; calls of one process are written in their order. BACKUP_CORRUPT or
   * SIGNATURE_INVALID when the last entry was altered: nothing is added to a chain that is broken.
   */
  append(fact: LedgerFact, options?: CallOptions): Promise<LedgerEntry>;
  /** As far as this process knows. */
  head(): LedgerHead;
  /** Newest first, `before` (a sequence number) exclusive. */
  read(
    query: { readonly limit: number; readonly before?: number; readonly action?: LedgerAction },
    options?: CallOptions,
  ): Promise<LedgerEntry[]>;
}

export function openLedger(repository: Repository, options: LedgerOptions): Ledger {
  let head: LedgerHead = { seq: 0, sha256: noPrevious };
  let line: Promise<unknown> = Promise.resolve();

  const catchUp = async (call: CallOptions): Promise<LedgerHead> => {
    let last = head.seq;
    for await (const seq of entryNumbers(repository, head.seq, call)) last = Math.max(last, seq);
    if (last === head.seq) return head;
    const stored = await readEntry(repository, last, { ...call, trusted: options.trusted });
    if (stored !== undefined) head = { seq: last, sha256: stored.sha256 };
    return head;
  };

  const put = async (fact: LedgerFact, call: CallOptions): Promise<LedgerEntry> => {
    for (let attempt = 1; ; attempt++) {
      const before = attempt === 1 && head.seq > 0 ? head : await catchUp(call);
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
        head = { seq: entry.seq, sha256: sha256Hex(bytes) };
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
    head: () => head,
    append: (fact, call = {}) => {
      const appended = line.then(
        () => put(fact, call),
        () => put(fact, call),
      );
      line = appended.catch(() => {});
      return appended;
    },
    read: async ({ limit, before, action }, call = {}) => {
      const last = (await catchUp(call)).seq;
      const entries: LedgerEntry[] = [];
      for (let seq = Math.min(last, (before ?? Number.POSITIVE_INFINITY) - 1); seq > 0 && entries.length < limit; seq--) {
        const stored = await readEntry(repository, seq, { ...call, trusted: options.trusted });
        if (stored === undefined) throw new HoldfastError('BACKUP_CORRUPT', `${ledgerKey(seq)} is missing: the ledger has a gap`);
        if (action === undefined || stored.entry.action === action) entries.push(stored.entry);
      }
      return entries;
    },
  };
}

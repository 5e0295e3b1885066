import { clockSlackMs } from '../domain/clock-slack.ts';
import { mapAhead } from './concurrency.ts';
import { isDamage } from './damage.ts';
import type { LedgerHead } from './ledger.ts';
import { entryNumbers, ledgerKey, noPrevious, readEntry, type StoredEntry } from './ledger-file.ts';
import type { CallOptions } from './read-bytes.ts';
import type { Repository } from './repository.ts';

const entriesAhead = 16;
const mostProblems = 100;

export interface LedgerReport {
  readonly ok: boolean;
  readonly entries: number;
  /** Where the chain ends: to be kept elsewhere, since what is cut off at the end cannot be seen from within. */
  readonly head: LedgerHead;
  /** At most 100, each naming its entry. */
  readonly problems: readonly string[];
  /** Strange, but no sign of alteration. */
  readonly notices: readonly string[];
}

/**
 * Follows the chain from its first entry to its last: numbers without gaps, each signed, each with the digest of the one before. With
 * `expected`, a head that was kept elsewhere, also that nothing was cut off or written anew since. STORE_ codes.
 */
export async function verifyLedger(
  repository: Repository,
  options: CallOptions & { readonly trusted?: readonly string[] | undefined; readonly expected?: LedgerHead | undefined } = {},
): Promise<LedgerReport> {
  const problems: string[] = [];
  const notices: string[] = [];
  let entries = 0;
  let head: LedgerHead = { seq: 0, sha256: noPrevious };
  let lastAt = Number.NEGATIVE_INFINITY;
  let expectedSeen = options.expected === undefined || options.expected.seq === 0;
  const read = async (seq: number): Promise<{ seq: number; stored?: StoredEntry; damage?: string }> => {
    try {
      const stored = await readEntry(repository, seq, options);
      return stored === undefined ? { seq, damage: `${ledgerKey(seq)} is gone` } : { seq, stored };
    } catch (thrown) {
      if (!isDamage(thrown)) throw thrown;
      return { seq, damage: thrown.message };
    }
  };
  // Whoever reads the chain passes them over, and so they change nothing.
  const onOther = (key: string): void => void notices.push(`${key} is no entry, and does not belong here`);
  for await (const { seq, stored, damage } of mapAhead(entryNumbers(repository, 0, { ...options, onOther }), entriesAhead, read)) {
    entries++;
    if (seq !== head.seq + 1)
      problems.push(seq === head.seq + 2 ? `entry ${seq - 1} is missing` : `entries ${head.seq + 1} to ${seq - 1} are missing`);
    if (damage !== undefined) problems.push(damage);
    if (stored === undefined) {
      // The next one cannot be held against a file that is not what was written.
      head = { seq, sha256: '' };
      continue;
    }
    const { entry, sha256 } = stored;
    if (seq === head.seq + 1 && head.sha256 !== '' && entry.previous !== head.sha256) {
      problems.push(`entry ${seq} does not follow entry ${seq - 1}: it carries the digest of another one`);
    }
    if (options.expected?.seq === seq) {
      expectedSeen = true;
      if (options.expected.sha256 !== sha256) problems.push(`entry ${seq} is not the one that was noted: the ledger was written anew`);
    }
    const at = Date.parse(entry.at);
    if (at < lastAt - clockSlackMs) notices.push(`entry ${seq} is dated ${entry.at}, before the one it follows: a clock was wrong`);
    lastAt = Math.max(lastAt, at);
    head = { seq, sha256 };
  }
  if (!expectedSeen)
    problems.push(`the ledger ends with entry ${head.seq}, but entry ${options.expected!.seq} was noted: its end was cut off`);
  return { ok: problems.length === 0, entries, head, problems: problems.slice(0, mostProblems), notices: notices.slice(0, mostProblems) };
}

import type { LedgerEntry } from '../../domain/ledger.ts';
import type { LedgerHead } from '../../repository/ledger.ts';
import type { LedgerReport } from '../../repository/ledger-verify.ts';
import { counted, printable, time } from '../format.ts';
import type { Style } from '../style.ts';
import { type Column, facts, table } from '../table.ts';
import { block } from './block.ts';

const longestDetails = 100;

/** `42:<sha256>`, as `--expect` takes it. */
export function headText({ seq, sha256 }: LedgerHead): string {
  return `${seq}:${sha256}`;
}

/** Lines of `ledger get`, in the order given. */
export function ledgerList(entries: readonly LedgerEntry[], style: Style, headers: boolean): string[] {
  const columns: Column<LedgerEntry>[] = [
    { title: 'SEQ', cell: entry => String(entry.seq), align: 'right' },
    { title: 'TIME', cell: entry => time(entry.at) },
    { title: 'ACTION', cell: entry => printable(entry.action), paint: style.bold },
    { title: 'BY', cell: entry => printable(entry.actor.name) },
    { title: 'VIA', cell: entry => entry.actor.via },
    { title: 'SUBJECT', cell: entry => printable(entry.subject) },
    { title: 'DETAILS', cell: entry => detailsOf(entry), paint: style.dim },
  ];
  return table(columns, entries, { headers, style });
}

/** `objects=3 tier=daily`, shortened: all of it is in the JSON. */
function detailsOf({ details }: LedgerEntry): string {
  const words = Object.entries(details).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const text = printable(words.join(' '));
  return text.length <= longestDetails ? text : `${text.slice(0, longestDetails - 1)}…`;
}

/** Lines of `ledger verify`: every problem, and the head to keep. */
export function ledgerVerdict({ ok, entries, head, problems, notices }: LedgerReport, style: Style): string[] {
  const verdict = ok
    ? `${style.good('✓')} The ledger is whole: ${counted(entries, 'entry', 'entries')}, each signed, each holding the digest of the one before.`
    : `${style.bad('✗ The ledger is BROKEN')}: ${counted(problems.length, 'problem')} in ${counted(entries, 'entry', 'entries')}.`;
  return [
    verdict,
    ...block('Problems', problems.map(printable), style),
    ...block('Notices', notices.map(printable), style),
    ...(ok && entries > 0 ? ['', ...facts([['Head', headText(head)]], style, '  ')] : []),
  ];
}

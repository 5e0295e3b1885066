import type { RepositoryReport, VerifyReport } from '../../repository/verify.ts';
import { count, counted, printable, size } from '../format.ts';
import type { Style } from '../style.ts';
import { table } from '../table.ts';
import { block } from './block.ts';

const words = {
  verified: '✓ verified',
  damaged: '✗ DAMAGED',
  incomplete: '- incomplete',
} as const satisfies Record<VerifyReport['state'], string>;

/** The verdict on each set and on all, with every finding. */
export function verifyLines({ ok, sets }: RepositoryReport, style: Style, headers = true): string[] {
  if (sets.length === 0) return [];
  const paint = (state: VerifyReport['state']) => ({ verified: style.good, damaged: style.bad, incomplete: style.dim })[state];
  const damaged = sets.filter(set => set.state === 'damaged').length;
  const verified = sets.filter(set => set.state === 'verified').length;
  const lines = table<VerifyReport>(
    [
      { title: 'BACKUP', cell: set => set.id, paint: style.bold },
      { title: 'RESULT', cell: set => words[set.state], paint: (text, set) => paint(set.state)(text) },
      { title: 'PHASE', cell: set => set.phase ?? '' },
      { title: 'CHECKED', cell: set => (set.state === 'incomplete' ? '' : set.depth === 'contents' ? 'files and objects' : 'files') },
      { title: 'FILES', cell: set => count(set.files), align: 'right' },
      { title: 'SIZE', cell: set => size(set.bytes), align: 'right' },
      { title: 'OBJECTS', cell: set => (set.depth === 'contents' ? count(set.objects) : ''), align: 'right' },
      ...(sets.some(set => set.volumes > 0)
        ? [{ title: 'VOLUMES', cell: (set: VerifyReport) => (set.volumes > 0 ? count(set.volumes) : ''), align: 'right' as const }]
        : []),
      {
        title: 'SIGNATURE',
        cell: set => (set.signature === undefined ? '' : set.signature.verified ? 'by your key' : 'by the repository’s key'),
      },
    ],
    sets,
    { style, headers },
  );
  const verdict = ok
    ? style.good(`✓ ${counted(verified, 'backup')} verified`)
    : style.bad(`✗ ${damaged} of ${counted(sets.length, 'backup')} damaged`);
  const withData = sets.some(set => set.volumes > 0)
    ? [
        style.dim(
          'Of volumes the snapshot and the password were checked; all of their data is read by `holdfast volumes upkeep`, a part at a time.',
        ),
      ]
    : [];
  return [...lines, ...sets.flatMap(set => findingLines(set, style)), '', `${verdict}.`, ...withData];
}

function findingLines(set: VerifyReport, style: Style): string[] {
  const lines = table<VerifyReport['findings'][number]>(
    [
      { title: 'SEVERITY', cell: finding => finding.severity, paint: text => (text === 'error' ? style.bad(text) : style.dim(text)) },
      { title: 'CODE', cell: finding => finding.code },
      { title: 'ITEM', cell: finding => printable(finding.item) },
      { title: 'WHAT', cell: finding => printable(finding.message) },
    ],
    set.findings,
    { style },
  );
  const more = set.unnamed === 0 ? [] : [style.dim(`and ${counted(set.unnamed, 'more finding')}`)];
  return block(set.id, [...lines, ...more], style);
}

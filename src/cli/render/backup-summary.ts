import type { Exclusion, ItemProblem, Manifest } from '../../domain/backup-set.ts';
import type { VolumeRecord } from '../../domain/volume.ts';
import { count, counted, duration, printable, shortened, size } from '../format.ts';
import type { Style } from '../style.ts';
import { facts, table } from '../table.ts';
import { phaseText } from './backup-list.ts';
import { block } from './block.ts';
import { volumeFact } from './volumes.ts';

export interface SummaryOptions {
  readonly location: string;
  readonly durationMs: number;
  readonly style: Style;
}

/** What `backup create` ends with: enough to know what is safe now, and what is not. */
export function backupSummary(manifest: Manifest, { location, durationMs, style }: SummaryOptions): string[] {
  const withObjects = manifest.kinds.filter(kind => kind.count > 0).length;
  const problems = manifest.problems.length;
  return [
    `${phaseText(manifest.phase, style)}  ${style.bold(manifest.id)}`,
    ...(problems === 0
      ? []
      : [style.warning(`  ${counted(problems, 'item')} could not be captured; everything else was, and can be restored`)]),
    '',
    ...facts(
      [
        ['Objects', `${counted(manifest.objects, 'object')} of ${counted(withObjects, 'kind')}, ${size(manifest.bytes)} of JSON`],
        ['Stored', storedText(manifest)],
        ...volumeFact(manifest.volumes),
        [
          'Took',
          `${duration(durationMs)}${durationMs > 0 ? ` (${count(Math.round(manifest.objects / (durationMs / 1000)))} objects/s)` : ''}`,
        ],
        ['Instant', instantText(manifest)],
        ['Cluster', clusterText(manifest)],
        ['Sealed', sealedText(manifest, style)],
        ['Location', printable(location)],
      ],
      style,
      '  ',
    ),
    ...block('Left out on purpose', reasonTable(manifest.excluded, style), style),
    ...block(style.warning('Not protected'), volumeLines(manifest.volumes), style),
    ...block(style.bad('Problems'), problemTable(manifest.problems, style), style),
  ];
}

export function storedText(manifest: Manifest): string {
  const files = [...manifest.shards, ...manifest.index];
  return `${size(files.reduce((sum, file) => sum + file.bytes, 0))} in ${counted(files.length, 'file')}`;
}

export function instantText({ consistency, revision }: Manifest): string {
  return consistency === 'instant' && revision !== undefined
    ? `all kinds at etcd revision ${revision}`
    : 'each kind consistent by itself: this API server could not give all at one revision';
}

export function clusterText({ cluster }: Manifest): string {
  return printable(`${cluster.server}, ${cluster.version}`);
}

export function sealedText({ encryption }: Manifest, style: Style): string {
  if (encryption.scheme === 'none') return style.bad('NO: everything, Secrets too, lies in the clear');
  return `to ${counted(encryption.recipients.length, 'recipient')}${encryption.indexSealed ? ', index too' : ''}`;
}

/** What was left out, a line a reason, so that a page of kinds reads in a breath. */
export function reasonTable(excluded: readonly Exclusion[], style: Style): string[] {
  const byReason = new Map<string, Exclusion[]>();
  for (const exclusion of excluded) byReason.set(exclusion.reason, [...(byReason.get(exclusion.reason) ?? []), exclusion]);
  const rows = [...byReason].map(([reason, items]) => ({
    reason,
    what: items.map(item => item.what).join(', '),
    objects: items.reduce((sum, item) => sum + (item.count ?? 0), 0),
  }));
  return table(
    [
      { title: 'WHAT', cell: row => printable(shortened(row.what, 60)) },
      { title: 'OBJECTS', cell: row => (row.objects === 0 ? '' : count(row.objects)), align: 'right' },
      { title: 'WHY', cell: row => printable(row.reason) },
    ],
    rows,
    { style },
  );
}

const mostVolumes = 8;

/** Claims whose data is not in the set, by reason. */
export function volumeLines(volumes: readonly VolumeRecord[], most = mostVolumes): string[] {
  const byReason = new Map<string, string[]>();
  for (const { state, reason, namespace, claim } of volumes) {
    if (state === 'not-protected') byReason.set(reason, [...(byReason.get(reason) ?? []), `${namespace}/${claim}`]);
  }
  return [...byReason].flatMap(([reason, claims]) => [
    `! ${counted(claims.length, 'volume')}: ${printable(reason)}`,
    `  ${printable(claims.slice(0, most).join(', '))}${claims.length > most ? ` and ${claims.length - most} more` : ''}`,
  ]);
}

export function problemTable(problems: readonly ItemProblem[], style: Style): string[] {
  return table(
    [
      { title: 'ITEM', cell: problem => printable(problem.item) },
      { title: 'CODE', cell: problem => problem.code },
      { title: 'WHY', cell: problem => printable(problem.message) },
    ],
    problems,
    { style },
  );
}

import type { Deletion } from '../../schedule/delete-by-hand.ts';
import type { DeletedVolume, DeletionPlan } from '../../schedule/deletion-plan.ts';
import { age, count, counted, printable, size, time } from '../format.ts';
import type { Style } from '../style.ts';
import { type Column, facts, table } from '../table.ts';
import { phaseText } from './backup-list.ts';

/** Claims that one line names. */
const mostNamed = 4;

export interface DeletionStyle {
  readonly style: Style;
  readonly now: Date;
}

/** One block a set: what would go, what keeps it, and why it may not. */
export function deletionPlanLines(plans: readonly DeletionPlan[], { style, now }: DeletionStyle): string[] {
  return plans.flatMap((plan, i) => [...(i === 0 ? [] : ['']), ...planLines(plan, { style, now })]);
}

function planLines(plan: DeletionPlan, { style, now }: DeletionStyle): string[] {
  const { set, phase, startedAt, refusal } = plan;
  const state = phase === 'Deleting' ? style.warning('! Deletion was interrupted') : phaseText(phase, style);
  const old = `${time(startedAt)}, ${age(now.getTime() - Date.parse(startedAt))} ago`;
  return [
    `${style.bold(set)}  ${state}`,
    ...facts(
      [
        ['Started', startedAt === '' ? undefined : old],
        ['Cluster', plan.cluster === undefined ? undefined : printable(plan.cluster)],
        ['Unreadable', plan.error === undefined ? undefined : printable(plan.error.message)],
        ['Goes', contents(plan)],
        ['Volumes', volumes(plan)],
        ['Kept by', keptBy(plan)],
      ],
      style,
      '  ',
    ),
    ...plan.warnings.map(text => `  ${style.warning('!')} ${printable(text)}`),
    ...(refusal === undefined
      ? []
      : [
          `  ${style.bad('✗')} ${printable(refusal.message.replace(set, 'It'))}`,
          `    ${style.accent('next:')} ${printable(refusal.hint)}`,
        ]),
  ];
}

function contents({ objects, storedBytes, files }: DeletionPlan): string {
  const stored = `${size(storedBytes)} in ${counted(files, 'file')}`;
  return objects === undefined ? stored : `${counted(objects, 'object')}, ${stored}`;
}

function volumes({ phase, volumes: all }: DeletionPlan): string | undefined {
  if (phase === 'Unreadable') return 'not known: what no other backup names goes with the next upkeep';
  return all.length === 0 ? undefined : `${volumeCounts(all)}: ${names(all)}`;
}

/** `2 claims, 12.4 GiB of data, 1 snapshot in the cluster` */
function volumeCounts(all: readonly DeletedVolume[]): string {
  const stored = all.flatMap(({ bytes }) => (bytes === undefined ? [] : [bytes]));
  const snapshots = all.filter(({ snapshot }) => snapshot).length;
  return [
    counted(all.length, 'claim'),
    ...(stored.length === 0 ? [] : [`${size(stored.reduce((sum, bytes) => sum + bytes, 0))} of data`]),
    ...(snapshots === 0 ? [] : [`${counted(snapshots, 'snapshot')} in the cluster`]),
  ].join(', ');
}

function names(all: readonly DeletedVolume[]): string {
  const named = all.slice(0, mostNamed).map(({ namespace, claim }) => `${namespace}/${claim}`);
  return [...named, ...(all.length > mostNamed ? [`${all.length - mostNamed} more`] : [])].join(', ');
}

function keptBy({ phase, keptBy: reasons }: DeletionPlan): string | undefined {
  if (phase === 'Deleting') return undefined;
  return reasons.length === 0 ? 'nothing: retention would delete it too' : printable(reasons.join('; '));
}

/** One set that was asked for, and what became of it. */
export type DeletionItem =
  | (Omit<Deletion, 'result'> & { readonly result: Deletion['result']; readonly message: '' })
  | { readonly set: string; readonly result: 'failed' | 'unknown'; readonly code: string; readonly message: string };

const words = {
  deleted: '✓ deleted',
  cleared: '✓ cleared',
  failed: '✗ FAILED',
  unknown: '- not there',
} as const satisfies Record<DeletionItem['result'], string>;

/** What became of each, and what is left to do. */
export function deletionLines(items: readonly DeletionItem[], style: Style, headers = true): string[] {
  const paint = { deleted: style.good, cleared: style.good, failed: style.bad, unknown: style.warning };
  const columns: Column<DeletionItem>[] = [
    { title: 'NAME', cell: ({ set }) => set, paint: style.bold },
    { title: 'RESULT', cell: ({ result }) => words[result], paint: (text, { result }) => paint[result](text) },
    { title: 'OBJECTS', cell: item => ('objects' in item && item.objects !== undefined ? count(item.objects) : ''), align: 'right' },
    { title: 'FREED', cell: item => ('storedBytes' in item ? size(item.storedBytes) : ''), align: 'right' },
    { title: 'WHY', cell: ({ message }) => printable(message) },
  ];
  // Where all went well there is nothing to explain.
  const shown = items.every(({ message }) => message === '') ? columns.slice(0, -1) : columns;
  const went = items.filter(({ result }) => result === 'deleted' || result === 'cleared').length;
  const rest = items.length - went;
  const sum = `${counted(went, 'backup')} deleted`;
  const end = rest === 0 ? style.good(`✓ ${sum}.`) : style.bad(`✗ ${sum}, ${count(rest)} not.`);
  return [...table(shown, items, { style, headers }), '', end, ...volumeLines(items)];
}

/** Their data is let go of by upkeep, as after retention, and not by this. */
function volumeLines(items: readonly DeletionItem[]): string[] {
  const all = items.flatMap(item => ('volumes' in item ? item.volumes : []));
  const stored = all.filter(({ bytes }) => bytes !== undefined);
  const lines: string[] = [];
  if (stored.length > 0) {
    const bytes = stored.reduce((sum, volume) => sum + (volume.bytes ?? 0), 0);
    lines.push(
      `  The data of ${counted(stored.length, 'claim')} (${size(bytes)}) goes with the next upkeep: by the service after retention, or holdfast volumes upkeep`,
    );
  }
  if (all.some(({ snapshot }) => snapshot)) lines.push('  Snapshots of it in the cluster are left over then: holdfast volumes orphans');
  return lines;
}

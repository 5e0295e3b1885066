import type { ReadableSet, SetSummary } from '../../repository/catalog.ts';
import { age, count, duration, printable, size, time } from '../format.ts';
import type { Style } from '../style.ts';
import { type Column, table } from '../table.ts';

const signs = {
  Completed: '✓',
  PartiallyFailed: '!',
  Unreadable: '✗',
} as const satisfies Record<SetSummary['phase'], string>;

/** A phase with its sign and colour. */
export function phaseText(phase: SetSummary['phase'], style: Style): string {
  const paint = { Completed: style.good, PartiallyFailed: style.warning, Unreadable: style.bad }[phase];
  return paint(`${signs[phase]} ${phase}`);
}

const ofReadable = (read: (set: ReadableSet) => string) => (set: SetSummary) => (set.phase === 'Unreadable' ? '' : read(set));

/** Lines of `backup get`, in the order given. */
export function backupList(sets: readonly SetSummary[], now: Date, style: Style, headers: boolean): string[] {
  const columns: Column<SetSummary>[] = [
    { title: 'NAME', cell: set => set.id, paint: style.bold },
    { title: 'PHASE', cell: set => `${signs[set.phase]} ${set.phase}`, paint: (_, set) => phaseText(set.phase, style) },
    { title: 'CREATED', cell: set => time(set.startedAt) },
    { title: 'AGE', cell: set => age(now.getTime() - Date.parse(set.startedAt)), align: 'right' },
    { title: 'OBJECTS', cell: ofReadable(set => count(set.objects)), align: 'right' },
    { title: 'STORED', cell: ofReadable(set => size(set.storedBytes)), align: 'right' },
    { title: 'TOOK', cell: ofReadable(set => duration(Date.parse(set.finishedAt) - Date.parse(set.startedAt))), align: 'right' },
    { title: 'CLUSTER', cell: ofReadable(set => printable(set.cluster.server.replace(/^https:\/\//, ''))) },
    {
      title: 'PROBLEMS',
      cell: set => (set.phase === 'Unreadable' ? printable(set.error.message) : set.problems === 0 ? '' : count(set.problems)),
    },
  ];
  return table(columns, sets, { headers, style });
}

import type { ListedSet } from '../../app.ts';
import type { SetSummary } from '../../repository/catalog.ts';
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

type Readable = Exclude<ListedSet, { phase: 'Unreadable' }>;
const ofReadable = (read: (set: Readable) => string) => (set: ListedSet) => (set.phase === 'Unreadable' ? '' : read(set));

/** Empty for what is not shown to its reader. */
function known<T>(value: T | undefined, show: (value: T) => string): string {
  return value === undefined ? '' : show(value);
}

/** Lines of `backup get`, in the order given. */
export function backupList(sets: readonly ListedSet[], now: Date, style: Style, headers: boolean): string[] {
  const columns: Column<ListedSet>[] = [
    { title: 'NAME', cell: set => set.id, paint: style.bold },
    { title: 'PHASE', cell: set => `${signs[set.phase]} ${set.phase}`, paint: (_, set) => phaseText(set.phase, style) },
    { title: 'CREATED', cell: set => time(set.startedAt) },
    { title: 'AGE', cell: set => age(now.getTime() - Date.parse(set.startedAt)), align: 'right' },
    { title: 'OBJECTS', cell: ofReadable(set => known(set.objects, count)), align: 'right' },
    { title: 'STORED', cell: ofReadable(set => known(set.storedBytes, size)), align: 'right' },
    { title: 'TOOK', cell: ofReadable(set => duration(Date.parse(set.finishedAt) - Date.parse(set.startedAt))), align: 'right' },
    { title: 'CLUSTER', cell: ofReadable(set => known(set.cluster, ({ server }) => printable(server.replace(/^https:\/\//, '')))) },
    {
      title: 'PROBLEMS',
      cell: set => (set.phase === 'Unreadable' ? printable(set.error.message) : set.problems === 0 ? '' : known(set.problems, count)),
    },
  ];
  return table(columns, sets, { headers, style });
}

import type { VolumeFile } from '../../domain/volume-file.ts';
import type { Orphan, RemovedOrphan, UpkeepItem } from '../../domain/volume-upkeep.ts';
import { count, duration, printable, size } from '../format.ts';
import type { Style } from '../style.ts';
import { table } from '../table.ts';

/** As `ls -l` has it; one file a line, so that a volume of any size can be listed. */
export function fileLine(file: VolumeFile): string {
  const who = `${file.uid}:${file.gid}`;
  return `${file.mode}  ${who.padEnd(11)} ${(file.size === undefined ? '-' : size(file.size)).padStart(10)}  ${file.modified.slice(0, 19)}  ${printable(file.path)}`;
}

export function orphanLines(
  orphans: readonly Orphan[],
  removed: readonly RemovedOrphan[] | undefined,
  style: Style,
  headers = true,
): string[] {
  const results = new Map(removed?.map(one => [one.orphan, one]));
  return table<Orphan>(
    [
      { title: 'KIND', cell: orphan => orphan.kind },
      { title: 'NAME', cell: ({ namespace, name }) => printable(namespace === '' ? name : `${namespace}/${name}`) },
      { title: 'OF', cell: orphan => printable(orphan.claim) },
      { title: 'AGE', cell: orphan => duration(orphan.ageMs), align: 'right' },
      ...(removed === undefined ? [] : [{ title: 'REMOVED', cell: (orphan: Orphan) => (results.get(orphan)?.removed ? 'yes' : 'no') }]),
      { title: 'WHY', cell: orphan => printable(results.get(orphan)?.reason || orphan.reason) },
    ],
    orphans,
    { style, headers },
  );
}

export function upkeepLines(items: readonly UpkeepItem[], style: Style, headers = true): string[] {
  return table<UpkeepItem>(
    [
      { title: 'REPOSITORY', cell: item => printable(item.repository) },
      { title: 'STATE', cell: item => item.state, paint: text => (text === 'failed' ? style.bad(text) : text) },
      { title: 'FORGOTTEN', cell: item => (item.forgotten === 0 ? '' : count(item.forgotten)), align: 'right' },
      { title: 'CHECKED', cell: item => item.checked ?? '' },
      { title: 'WHY', cell: item => printable(item.reason) },
    ],
    items,
    { style, headers },
  );
}

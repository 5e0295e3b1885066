import type { IndexEntry } from '../../domain/backup-set.ts';
import { kindName } from '../../domain/resource.ts';
import { printable, size } from '../format.ts';

/** One object of a set on a line: its size, kind and name; or the name alone, as `kubectl -o name` has it, with the namespace in front. */
export function objectColumns(entry: IndexEntry, nameOnly: boolean): string {
  if (nameOnly) return printable(`${entry.namespace === '' ? '' : `${entry.namespace}/`}${kindName(entry)}/${entry.name}`);
  return printable(
    `${size(entry.size).padStart(9)}   ${kindName(entry).padEnd(40)}   ${entry.namespace === '' ? '' : `${entry.namespace}/`}${entry.name}`,
  );
}

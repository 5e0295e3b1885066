import type { IndexEntry, ShardRecord } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { IndexLine } from './index-reader.ts';

export interface ShardGroup {
  readonly record: ShardRecord;
  /** Index lines of the shard, of all kinds of lines. */
  readonly lines: number;
  /** Those of its entries that were asked for, in index order. */
  readonly entries: readonly IndexEntry[];
}

/**
 * Sorts index lines by shard and gives a group out as soon as all lines of its shard were seen, so that memory holds the shards that were
 * open side by side when the set was written, and not the set. Shards of which nothing is kept are passed over.
 */
export async function* shardGroups(
  lines: AsyncIterable<readonly IndexLine[]>,
  shards: readonly ShardRecord[],
  keep: (line: IndexLine) => boolean,
): AsyncGenerator<ShardGroup> {
  const records = new Map(shards.map(record => [record.name, record]));
  const open = new Map<string, { readonly record: ShardRecord; lines: number; readonly entries: IndexEntry[] }>();
  for await (const batch of lines) {
    for (const line of batch) {
      if (line.entry.gone === true) continue;
      const name = line.entry.shard;
      let group = open.get(name);
      if (group === undefined) {
        const record = records.get(name);
        if (record === undefined)
          throw new HoldfastError('BACKUP_CORRUPT', `the index names ${JSON.stringify(name)}, which is no shard of the set`);
        group = { record, lines: 0, entries: [] };
        open.set(name, group);
      }
      group.lines++;
      if (keep(line)) group.entries.push(line.entry);
      if (group.lines === group.record.entries) {
        open.delete(name);
        if (group.entries.length > 0) yield group;
      }
    }
  }
  for (const group of open.values()) if (group.entries.length > 0) yield group;
}

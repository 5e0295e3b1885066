import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listSets } from '../../src/repository/catalog.ts';
import { eachConcurrently } from '../../src/repository/concurrency.ts';
import type { DeletionOptions } from '../../src/schedule/delete-by-hand.ts';
import { configMap, writeSet } from '../contract/repository-fixture.ts';
import type { RetentionLocation } from './retention-location.ts';

const dayMs = 24 * 3_600_000;
const writesAtOnce = 16;

/** Of somebody who deletes a set by hand at `now`. */
export function deletionOptions(at: RetentionLocation, changes: Partial<DeletionOptions> = {}): DeletionOptions {
  const { limits: _limits, ...rest } = at.options();
  const repository = changes.repository ?? rest.repository;
  const sets = () => Array.fromAsync(listSets(repository, { trusted: changes.trusted ?? rest.trusted }));
  return { ...rest, sets, actor: { name: 'alice', via: 'cli' }, ...changes };
}

/** A set that somebody asked for, under a name that no policy knows. */
export async function takenByHand(at: Pick<RetentionLocation, 'repository' | 'keys'>, day: string): Promise<string> {
  const id = `${day.replaceAll('-', '')}T090000Z-manual-bbbb`;
  const objects = [configMap('a'), configMap('b')];
  await writeSet(at.repository, at.keys, { id, objects, plaintext: true, maxTarBytes: 1, tier: 'manual' });
  return id;
}

/** Daily sets of so many days before this one, oldest first. */
export async function takenDaily(at: Pick<RetentionLocation, 'taken'>, before: string, count: number): Promise<string[]> {
  const days = Array.from({ length: count }, (_, n) => new Date(Date.parse(before) - (n + 1) * dayMs).toISOString().slice(0, 10));
  const ids: string[] = [];
  await eachConcurrently(days, writesAtOnce, async day => void ids.push(await at.taken(day)));
  return ids.sort();
}

/** Writes over a file as no store of ours would: it is damaged. */
export async function damageFile(
  { dir }: Pick<RetentionLocation, 'dir'>,
  key: string,
  change: (bytes: Buffer) => Uint8Array,
): Promise<void> {
  const file = join(dir, key);
  const bytes = await readFile(file);
  await rm(file);
  await writeFile(file, change(bytes));
}

export function flipped(bytes: Buffer): Buffer {
  const all = Buffer.from(bytes);
  all[200] = all[200]! ^ 1;
  return all;
}

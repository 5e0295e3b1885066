import { type IndexEntry, type IndexRecord, indexKey, type Manifest } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import { kindName } from '../domain/resource.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { fileKey } from './layout.ts';
import { readSetFile } from './read-bytes.ts';
import { type Unsealing, unsealed } from './unseal.ts';

/** A line, and whether it is what the set holds of its object: not replaced by a late change, not of an abandoned reading. */
export interface IndexLine {
  readonly entry: IndexEntry;
  readonly effective: boolean;
}

/** For each object with late changes, which of all late changes of the set is its last one. */
export type Fixes = ReadonlyMap<string, number>;

/** Lines of one part, some at a time. BACKUP_CORRUPT when a bit of it differs; IDENTITY_ codes when it is sealed. */
export async function* readIndexPart(
  store: ObjectStore,
  id: string,
  record: IndexRecord,
  unsealing: Unsealing,
): AsyncGenerator<IndexEntry[]> {
  const bytes = await readSetFile(store, id, record, unsealing);
  const key = fileKey(id, record.name);
  const decoder = new TextDecoder();
  let rest = '';
  let lines = 0;
  for await (const chunk of unsealed(record.name, bytes, unsealing)) {
    const texts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = texts.pop()!;
    lines += texts.length;
    yield texts.map(text => parseEntry(text, key));
  }
  if (rest !== '' || lines !== record.lines) {
    throw new HoldfastError('BACKUP_CORRUPT', `${key} has ${lines} whole lines instead of ${record.lines}`);
  }
}

function parseEntry(text: string, key: string): IndexEntry {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new HoldfastError('BACKUP_CORRUPT', `${key} has a line that is no JSON`, { cause });
  }
  if (isEntry(value)) return value;
  throw new HoldfastError('BACKUP_CORRUPT', `${key} has a malformed line`);
}

const texts = ['group', 'version', 'resource', 'kind', 'namespace', 'name', 'uid', 'digest', 'shard'] as const;

// By hand: a schema library takes longer for a million lines than all the rest of reading them.
function isEntry(value: unknown): value is IndexEntry {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Record<string, unknown>;
  return texts.every(name => typeof record[name] === 'string') && typeof record['size'] === 'number';
}

/** Lines of abandoned readings are not part of a set: says which are. */
function attemptFilter(manifest: Manifest): (entry: IndexEntry) => boolean {
  const repeated = new Map(manifest.kinds.filter(kind => kind.attempt !== undefined).map(kind => [kindName(kind), kind.attempt]));
  return entry => entry.attempt === (repeated.size === 0 ? undefined : repeated.get(kindName(entry)));
}

/** First pass: remembers only late changes, of which there are few, whatever the size of the set. */
export function fixCollector(manifest: Manifest): { readonly fixes: Fixes; add(entry: IndexEntry): void } {
  const counts = attemptFilter(manifest);
  const fixes = new Map<string, number>();
  let seen = 0;
  return {
    fixes,
    add: entry => {
      if (entry.fix && counts(entry)) fixes.set(indexKey(entry), ++seen);
    },
  };
}

/** Second pass over the same lines in the same order: which of them count? */
export function effectiveness(manifest: Manifest, fixes: Fixes): (entry: IndexEntry) => boolean {
  const counts = attemptFilter(manifest);
  let seen = 0;
  return entry => {
    if (!counts(entry)) return false;
    if (entry.fix) return fixes.get(indexKey(entry)) === ++seen && entry.gone !== true;
    return fixes.size === 0 || !fixes.has(indexKey(entry));
  };
}

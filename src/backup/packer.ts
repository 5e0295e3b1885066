import type { IndexEntry } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import { isSecretKind, kindName, type ResourceKind } from '../domain/resource.ts';
import type { IndexWriter } from '../repository/index-writer.ts';
import type { ShardBuilder } from '../repository/shard-builder.ts';
import type { ArchiveSettings, ClaimRef, KindTally, ToWorker } from './archive-protocol.ts';
import { type ObjectFilter, objectFilter, unselected } from './filter.ts';
import { readMetadata } from './metadata.ts';

type Items = Extract<ToWorker, { type: 'items' }>;

interface KindState {
  readonly kind: ResourceKind;
  readonly filter: ObjectFilter;
  readonly builder: ShardBuilder;
  attempt: number;
  count: number;
  bytes: number;
  excluded: Record<string, number>;
  claims: Map<string, ClaimRef> | undefined;
}

export interface Packer {
  /** Archives one batch; says how many objects and bytes of it are in. */
  add(items: Items): Promise<{ objects: number; bytes: number }>;
  finish(): Promise<{ tallies: KindTally[]; claims: ClaimRef[] }>;
}

/** Sorts objects into shards and index lines: filtered, counted, each with its digest. Contents are never parsed, only metadata. */
export function createPacker(parts: {
  settings: ArchiveSettings;
  resources: ShardBuilder;
  secrets: ShardBuilder;
  index: IndexWriter;
}): Packer {
  const { settings, resources, secrets, index } = parts;
  const states = settings.kinds.map(
    (kind): KindState => ({
      kind,
      filter: objectFilter(kind, settings.selection),
      builder: isSecretKind(kind) ? secrets : resources,
      attempt: 1,
      count: 0,
      bytes: 0,
      excluded: {},
      claims: kindName(kind) === 'persistentvolumeclaims' ? new Map() : undefined,
    }),
  );

  const addOne = async (state: KindState, items: Items, json: Uint8Array): Promise<number> => {
    const metadata = metadataOf(state.kind, json);
    const reason = state.filter(metadata);
    if (reason !== undefined) {
      if (reason !== unselected) state.excluded[reason] = (state.excluded[reason] ?? 0) + 1;
      return 0;
    }
    const { kind } = state;
    const ref = { group: kind.group, version: kind.version, resource: kind.resource, namespace: metadata.namespace, name: metadata.name };
    const late = items.items === 'list' ? {} : { fix: true as const };
    const attempt = items.attempt > 1 ? { attempt: items.attempt } : {};
    if (items.items === 'deleted') {
      await index.add({ ...ref, kind: kind.kind, uid: metadata.uid, digest: '', size: 0, shard: '', ...attempt, fix: true, gone: true });
    } else {
      const owners = metadata.owners.length > 0 ? { owners: metadata.owners } : {};
      const entry: IndexEntry = await state.builder.add(ref, kind.kind, json, { uid: metadata.uid, ...owners, ...late, ...attempt });
      await index.add(entry);
      state.bytes += json.byteLength;
    }
    tally(state, items.items, metadata);
    return json.byteLength;
  };

  return {
    add: async items => {
      const state = states[items.kind]!;
      if (items.attempt > state.attempt) startOver(state, items.attempt);
      let start = 0;
      let bytes = 0;
      for (const end of items.ends) {
        bytes += await addOne(state, items, items.buffer.subarray(start, end));
        start = end;
      }
      return { objects: items.ends.length, bytes };
    },
    finish: async () => {
      await resources.finish();
      await secrets.finish();
      await index.finish();
      return {
        tallies: states.map(({ count, bytes, excluded }) => ({ count, bytes, excluded })),
        claims: states.flatMap(state => [...(state.claims?.values() ?? [])]),
      };
    },
  };
}

function metadataOf(kind: ResourceKind, json: Uint8Array): ReturnType<typeof readMetadata> {
  try {
    return readMetadata(json);
  } catch (cause) {
    throw new HoldfastError(
      'CLUSTER_ERROR',
      `the list of ${kindName(kind)} holds something that is no object: ${(cause as Error).message}`,
      { cause },
    );
  }
}

function startOver(state: KindState, attempt: number): void {
  state.attempt = attempt;
  state.count = 0;
  state.bytes = 0;
  state.excluded = {};
  state.claims?.clear();
}

function tally(state: KindState, items: Items['items'], object: ClaimRef): void {
  if (items === 'deleted') {
    state.count--;
    state.claims?.delete(`${object.namespace}/${object.name}`);
    return;
  }
  if (items !== 'modified') state.count++;
  state.claims?.set(`${object.namespace}/${object.name}`, { namespace: object.namespace, name: object.name });
}

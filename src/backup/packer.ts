import { HoldfastError } from '../domain/errors.ts';
import { isSecretKind, kindName, type ResourceKind } from '../domain/resource.ts';
import type { IndexWriter } from '../repository/index-writer.ts';
import type { ShardBuilder } from '../repository/shard-builder.ts';
import type { ArchiveSettings, ClaimRef, KindTally, ToWorker } from './archive-protocol.ts';
import { objectRules } from './exclusions.ts';
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
  /** What was left out and why, of kinds that have rules: one may begin or cease to hold for an object while the backup runs. */
  left: Map<string, string> | undefined;
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
      left: objectRules(kind).length > 0 ? new Map() : undefined,
    }),
  );

  /** Mostly without a promise: a hundred thousand of them would cost more than the packing. */
  const addOne = (state: KindState, items: Items, json: Uint8Array): Promise<void> | undefined => {
    const metadata = metadataOf(state.kind, json);
    const reason = state.filter(metadata, json);
    if (reason === unselected) return undefined;
    const change = changeOf(state, items.items, metadata, reason);
    if (change === 'none') return undefined;
    const { kind } = state;
    const ref = { group: kind.group, version: kind.version, resource: kind.resource, namespace: metadata.namespace, name: metadata.name };
    const attempt = items.attempt > 1 ? { attempt: items.attempt } : {};
    if (change === 'gone') {
      return waitFor(
        index.add({ ...ref, kind: kind.kind, uid: metadata.uid, digest: '', size: 0, shard: '', ...attempt, fix: true, gone: true }),
      );
    }
    state.bytes += json.byteLength;
    const meta = { uid: metadata.uid, owners: metadata.owners, ...attempt };
    const entry = state.builder.add(ref, kind.kind, json, meta, items.items === 'list' ? undefined : true);
    return entry instanceof Promise ? entry.then(line => index.add(line)) : waitFor(index.add(entry));
  };

  return {
    add: async items => {
      const state = states[items.kind]!;
      if (items.attempt > state.attempt) startOver(state, items.attempt);
      const bytes = Buffer.from(items.buffer.buffer, items.buffer.byteOffset, items.buffer.byteLength);
      let start = 0;
      for (const end of items.ends) {
        const pending = addOne(state, items, bytes.subarray(start, end));
        if (pending !== undefined) await pending;
        start = end;
      }
      return { objects: items.ends.length, bytes: start };
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

function waitFor(pending: void | Promise<void>): Promise<void> | undefined {
  return pending instanceof Promise ? pending : undefined;
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
  state.left?.clear();
}

/** Counts one object, and says what becomes of it: it is packed, it is taken back, or it is no part of the set and never was. */
function changeOf(state: KindState, items: Items['items'], object: ClaimRef, reason: string | undefined): 'packed' | 'gone' | 'none' {
  const key = state.left === undefined && state.claims === undefined ? '' : `${object.namespace}/${object.name}`;
  const wasLeft = items !== 'list' && takeBack(state, key);
  const wasIn = !wasLeft && (items === 'modified' || items === 'deleted');
  const isIn = items !== 'deleted' && reason === undefined;
  if (items !== 'deleted' && reason !== undefined) {
    state.left?.set(key, reason);
    state.excluded[reason] = (state.excluded[reason] ?? 0) + 1;
  }
  state.count += Number(isIn) - Number(wasIn);
  if (isIn) state.claims?.set(key, { namespace: object.namespace, name: object.name });
  else state.claims?.delete(key);
  if (isIn) return 'packed';
  return wasIn ? 'gone' : 'none';
}

/** Whatever is said of an object now takes the place of its having been left out. */
function takeBack({ left, excluded }: KindState, key: string): boolean {
  const reason = left?.get(key);
  if (reason === undefined) return false;
  left?.delete(key);
  excluded[reason]! -= 1;
  if (excluded[reason] === 0) delete excluded[reason];
  return true;
}

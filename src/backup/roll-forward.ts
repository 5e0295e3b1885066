import type { ClusterApi, ItemBatch, WatchEvent } from '../cluster/cluster-api.ts';
import { HoldfastError } from '../domain/errors.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import type { ItemsKind } from './archive-protocol.ts';
import { readMetadata } from './metadata.ts';

/** The API server sends a bookmark about two seconds before a watch ends; a short watch therefore tells its revision soon. */
const watchSeconds = 3;
const mostWatches = 5;

export interface LateChanges {
  readonly kind: ResourceKind;
  /** The revision of the list. */
  readonly from: string;
  /** The revision to be at. */
  readonly to: string;
  readonly onChange: (change: LateChange) => Promise<void> | void;
  readonly signal: AbortSignal;
}

/** One object as it was left by a change. */
export interface LateChange {
  readonly items: ItemsKind;
  /** Of that one object. */
  readonly batch: ItemBatch;
  /** Of the change. */
  readonly revision: string;
}

/**
 * Passes on every change of a kind after `from` up to and including `to`, in order. The watch alone cannot say that a quiet kind has
 * nothing more before `to`: a list bounded below by `to` first brings the server's cache there, then a bookmark at or beyond `to` proves it.
 * CLUSTER_EXPIRED when the server no longer has the history.
 */
export async function rollForward(cluster: ClusterApi, late: LateChanges): Promise<void> {
  const { kind, signal } = late;
  const to = BigInt(late.to);
  if (BigInt(late.from) >= to) return;
  await cluster.list(kind, () => {}, { signal, limit: 1, notOlderThan: late.to });

  let revision = late.from;
  for (let round = 0; round < mostWatches; round++) {
    let reached = false;
    const changes: LateChange[] = [];
    await cluster.watch(kind, {
      signal,
      revision,
      timeoutSeconds: watchSeconds,
      onEvent: event => {
        const seen = revisionOf(event);
        if (BigInt(seen) <= to && event.type !== 'BOOKMARK') changes.push(changeOf(event.type, event.object, seen));
        if (BigInt(seen) <= to) revision = seen;
        reached ||= BigInt(seen) >= to;
        return !reached;
      },
    });
    for (const change of changes) await late.onChange(change);
    if (reached) return;
  }
  throw new HoldfastError(
    'CLUSTER_ERROR',
    `the watch of ${kindName(kind)} did not come to revision ${late.to} within ${mostWatches} rounds`,
  );
}

/** The same, collected; undefined when it did not succeed, for whatever reason. Bounded by what changes within a watch or two. */
export async function changesUpTo(cluster: ClusterApi, late: Omit<LateChanges, 'onChange'>): Promise<readonly LateChange[] | undefined> {
  const changes: LateChange[] = [];
  try {
    await rollForward(cluster, { ...late, onChange: change => void changes.push(change) });
    return changes;
  } catch {
    return undefined;
  }
}

const itemsKinds = { ADDED: 'added', MODIFIED: 'modified', DELETED: 'deleted' } as const satisfies Record<
  Exclude<WatchEvent['type'], 'BOOKMARK'>,
  ItemsKind
>;

/** With bytes of its own: those of the event keep all that arrived along with it. */
function changeOf(type: keyof typeof itemsKinds, object: Uint8Array, revision: string): LateChange {
  return { items: itemsKinds[type], batch: { buffer: new Uint8Array(object), ends: [object.byteLength] }, revision };
}

/** A bookmark has no name, only a revision. */
function revisionOf(event: WatchEvent): string {
  if (event.type !== 'BOOKMARK') return readMetadata(event.object).resourceVersion;
  const text = Buffer.from(event.object.buffer, event.object.byteOffset, event.object.byteLength).toString('utf8');
  const { metadata } = JSON.parse(text) as { metadata?: { resourceVersion?: string } };
  return metadata?.resourceVersion ?? '0';
}

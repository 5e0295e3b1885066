import type { ResourceKind } from '../domain/resource.ts';

/** An API group version that discovery named but could not describe. */
export interface UnavailableGroup {
  /** `metrics.k8s.io/v1beta1` */
  readonly groupVersion: string;
  readonly message: string;
}

export interface Discovery {
  /** Every resource of every group in its preferred version, subresources folded in; sorted by name. */
  readonly kinds: readonly ResourceKind[];
  /** All served versions per `group/resource`, preferred one first: which one can a restore write? */
  readonly servedVersions: ReadonlyMap<string, readonly string[]>;
  readonly unavailable: readonly UnavailableGroup[];
  /** Groups served by an extension API server: their revisions are their own. */
  readonly aggregatedGroups: ReadonlySet<string>;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface ListOptions extends CallOptions {
  /** Only this namespace. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  /** `metadata.name=workspace`: every kind knows `metadata.name` and `metadata.namespace`. */
  readonly fieldSelector?: string;
  /** Read at this revision exactly; CLUSTER_EXPIRED when it is gone. */
  readonly exactRevision?: string;
  /** At least this revision. */
  readonly notOlderThan?: string;
  /** Only the first objects; without it the whole list, which is of one revision even where it takes several answers. */
  readonly limit?: number;
  /**
   * In one answer, which the server streams from its cache where pages of a fixed revision may have to come from etcd. A server cuts long answers
   * (after a minute, usually), and what was cut is not taken up again: a retryable CLUSTER_ error, upon which the caller reads in pages.
   */
  readonly whole?: boolean;
  /** Where batches lie; memory of their own each, unless told. */
  readonly memory?: BatchMemory;
}

/** Hands out what receivers of batches are done with: half a MiB of garbage a batch costs more to collect than to read into. */
export interface BatchMemory {
  /** Bytes of any content, which belong to whoever took them. */
  take(bytes: number): Uint8Array<ArrayBuffer>;
}

/**
 * Some items of a list, in order, in one buffer of their own (so that it can be transferred to a worker). Item `i` ends before
 * `ends[i]` and begins at `ends[i - 1]`, the first at 0: the exact bytes of one object's JSON, in front of which `apiVersion` and
 * `kind` were put where the server left them out.
 */
export interface ItemBatch {
  readonly buffer: Uint8Array<ArrayBuffer>;
  readonly ends: readonly number[];
}

/** Takes the items of a list as they arrive; the batch belongs to the receiver. Reading waits while the returned promise is pending. */
export type ItemSink = (batch: ItemBatch) => void | Promise<void>;

export interface ListResult {
  /** `metadata.resourceVersion` of the list. */
  readonly revision: string;
  readonly items: number;
  /** `metadata.remainingItemCount`, given by paged lists only. */
  readonly remaining?: number;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  /** The object's JSON exactly as sent. */
  readonly object: Uint8Array;
}

export interface WriteOptions extends CallOptions {
  /** Who will own the fields. */
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
}

export interface DeleteOptions extends CallOptions {
  readonly orphan?: boolean;
  readonly uid?: string;
}

/**
 * The port to a cluster: raw JSON in, raw JSON out, so that nothing is lost. All errors are HoldfastErrors with a CLUSTER_ code whose message
 * has the API server's own words. 429 and cut connections before an answer are retried within, bounded; writes are retried only where the
 * server said that it did nothing.
 */
export interface ClusterApi {
  /** Address of the API server, for messages. */
  readonly server: string;

  /** `v1.37.2` */
  version(options?: CallOptions): Promise<string>;

  /** Taken afresh at every call. */
  discover(options?: CallOptions): Promise<Discovery>;

  /** All objects of a kind. CLUSTER_NOT_FOUND when the kind is not served (any more). Memory does not grow with the list. */
  list(kind: ResourceKind, sink: ItemSink, options?: ListOptions): Promise<ListResult>;

  /**
   * Events after `revision`, in order, until the server ends the watch (`timeoutSeconds`), the signal aborts or `onEvent` returns false.
   * CLUSTER_EXPIRED when the revision is too old.
   */
  watch(
    kind: ResourceKind,
    options: CallOptions & {
      readonly revision: string;
      readonly timeoutSeconds: number;
      readonly namespace?: string;
      readonly labelSelector?: string;
      readonly fieldSelector?: string;
      readonly onEvent: (event: WatchEvent) => boolean;
    },
  ): Promise<void>;

  /** Undefined when there is none. */
  get(kind: ResourceKind, namespace: string, name: string, options?: CallOptions): Promise<string | undefined>;

  /** Returns the object as stored. CLUSTER_CONFLICT when it exists. */
  create(kind: ResourceKind, namespace: string, body: string, options?: WriteOptions): Promise<string>;

  /** PUT; `subresource: 'status'` writes the status. CLUSTER_CONFLICT when `resourceVersion` in the body is not the current one. */
  update(
    kind: ResourceKind,
    namespace: string,
    name: string,
    body: string,
    options?: WriteOptions & { readonly subresource?: string },
  ): Promise<string>;

  /** Server-side apply, merge or JSON patch. Apply creates what is not there. */
  patch(
    kind: ResourceKind,
    namespace: string,
    name: string,
    patch: { readonly type: 'apply' | 'merge' | 'json'; readonly body: string; readonly force?: boolean; readonly subresource?: string },
    options?: WriteOptions,
  ): Promise<string>;

  /** Deletes if it is there. Background propagation unless `orphan`. CLUSTER_CONFLICT when it is another one than that of the UID given. */
  delete(kind: ResourceKind, namespace: string, name: string, options?: DeleteOptions): Promise<void>;

  close(): Promise<void>;
}

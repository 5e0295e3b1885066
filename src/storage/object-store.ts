/** What is known of a stored object without reading it. */
export interface StoredObject {
  /** Key below the location's prefix; `/` separates, no leading slash. */
  readonly key: string;
  /** Size in bytes. */
  readonly bytes: number;
  readonly modified: Date;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/**
 * The port to wherever a repository lives. All errors are HoldfastErrors with a STORE_ code and the key in their message, never a credential.
 * Adapters do one attempt and no more: retry, limits and metrics are decorators around this port.
 */
export interface ObjectStore {
  /** The location as a person would write it, without credentials. */
  readonly url: string;

  /**
   * Writes a new object. It is visible whole or not at all, and durable once the promise resolves.
   * An existing key is never overwritten: STORE_EXISTS. May be called again after any error.
   */
  put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options?: CallOptions): Promise<{ readonly bytes: number }>;

  /**
   * Streams an object, or `range` of it (`start` inclusive, `end` exclusive, bytes; beyond the object's end there is nothing). STORE_NOT_FOUND when there is none: before the first
   * chunk. Leaving the loop early releases the connection.
   */
  get(
    key: string,
    options?: CallOptions & { readonly range?: { readonly start: number; readonly end: number } },
  ): AsyncIterable<Uint8Array>;

  /** Undefined when there is none. */
  head(key: string, options?: CallOptions): Promise<StoredObject | undefined>;

  /** Keys that begin with `prefix`, in ascending order of their UTF-8 bytes, `startAfter` exclusive. */
  list(prefix: string, options?: CallOptions & { readonly startAfter?: string }): AsyncIterable<StoredObject>;

  /**
   * Names directly below `prefix` (which ends with `/` or is empty), each with a trailing `/` when it is itself a prefix; ascending,
   * `startAfter` (a name) exclusive. With `mayBeEmpty` also prefixes of nothing, where a store has such things: it need not look into each.
   */
  listNames(prefix: string, options?: CallOptions & { readonly startAfter?: string; readonly mayBeEmpty?: boolean }): AsyncIterable<string>;

  /** Deletes if it is there: may be called twice. Only retention calls it. */
  delete(key: string, options?: CallOptions): Promise<void>;

  /** Releases connections. */
  close(): Promise<void>;
}

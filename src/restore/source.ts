import type { IndexEntry, Manifest } from '../domain/backup-set.ts';

/** The open backup set that a restore reads from; the repository's SetReader is one. */
export interface SetSource {
  readonly manifest: Manifest;

  /** What the set holds, in archive order; may be read again and again. */
  entries(options?: { readonly signal?: AbortSignal }): AsyncIterable<IndexEntry>;

  /** Gives out the JSON of every wanted object, in any order; waits while the returned promise is pending. */
  read(
    wanted: (entry: IndexEntry) => boolean,
    onObject: (entry: IndexEntry, json: string) => Promise<void> | void,
    options?: { readonly signal?: AbortSignal; readonly concurrency?: number },
  ): Promise<void>;
}

import { type IndexEntry, indexKey } from '../domain/backup-set.ts';
import type { SetReader } from '../repository/set-reader.ts';
import type { Scope } from './scope.ts';

/** Bytes of JSON that may be held for later ranks, so that a shard with objects of several is read once in the usual case. */
const aheadBytes = 12 * 1024 * 1024;

interface Held {
  readonly entry: IndexEntry;
  readonly json: string;
}

/** Gives out the objects of a set rank by rank. */
export class Feed {
  readonly #source: SetReader;
  readonly #scope: Scope;
  readonly #signal: AbortSignal;
  readonly #held = new Map<number, Map<string, Held>>();
  #room = aheadBytes;

  constructor(source: SetReader, scope: Scope, signal: AbortSignal) {
    this.#source = source;
    this.#scope = scope;
    this.#signal = signal;
  }

  /** All objects of one rank, in any order; waits while `onObject` does. Ranks are asked for in ascending order, each once. */
  async rank(rank: number, objects: number, onObject: (entry: IndexEntry, json: string) => Promise<void>): Promise<void> {
    const held = this.#held.get(rank) ?? new Map<string, Held>();
    this.#held.delete(rank);
    if (held.size < objects) await this.#read(rank, held, onObject);
    for (const { entry, json } of held.values()) {
      this.#room += entry.size;
      await onObject(entry, json);
    }
  }

  /** Some objects once more. */
  async again(wanted: (entry: IndexEntry) => boolean, onObject: (entry: IndexEntry, json: string) => Promise<void>): Promise<void> {
    await this.#source.read(wanted, onObject, { signal: this.#signal });
  }

  async #read(rank: number, held: ReadonlyMap<string, Held>, onObject: (entry: IndexEntry, json: string) => Promise<void>): Promise<void> {
    // Other shards would only keep the objects of this rank waiting.
    const shards = this.#scope.shardsOf(rank);
    await this.#source.read(
      entry => {
        if (!shards.has(entry.shard)) return false;
        const of = this.#scope.rankOf(entry);
        if (of === undefined || of < rank) return false;
        if (of === rank) return !held.has(indexKey(entry));
        if (this.#held.get(of)?.has(indexKey(entry)) || entry.size > this.#room) return false;
        this.#room -= entry.size;
        return true;
      },
      async (entry, json) => {
        const of = this.#scope.rankOf(entry);
        if (of === undefined) return;
        if (of === rank) await onObject(entry, json);
        else this.#hold(of, entry, json);
      },
      { signal: this.#signal },
    );
  }

  #hold(rank: number, entry: IndexEntry, json: string): void {
    const of = this.#held.get(rank) ?? new Map<string, Held>();
    this.#held.set(rank, of);
    of.set(indexKey(entry), { entry, json });
  }
}

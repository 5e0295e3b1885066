import { randomBytes } from 'node:crypto';
import { seal } from '../crypto/age.ts';
import { hmacSha256Hex, sha256Hex } from '../crypto/digest.ts';
import type { IndexEntry, ShardClass, ShardRecord } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import { archivePath, isSecretKind, type ObjectRef, refName } from '../domain/resource.ts';
import { type Compressor, createCompressor } from './compressor.ts';
import { digestKeyPath } from './layout.ts';
import { releaseMemory } from './release-memory.ts';
import { endOfTar, tarEntry } from './tar.ts';

const defaultTargetBytes = 8 * 1024 * 1024;
/** A shard is also cut here: readers hold the index lines of the shards that they read, and one object should come back quickly. */
const defaultMaxTarBytes = 16 * 1024 * 1024;
const blockBytes = 256 * 1024;
/** Blocks handed to the compressor before `add` waits. */
const blocksAhead = 2;

export interface ShardBuilderOptions {
  readonly class: ShardClass;
  /** age recipients; none leaves the shards in the clear. */
  readonly recipients: readonly string[];
  /** Compressed size at which a shard is cut; 8 MiB unless told. */
  readonly targetBytes?: number;
  /** Uncompressed size at which a shard is cut at the latest; 16 MiB unless told. */
  readonly maxTarBytes?: number;
  /** zstd level; 1 unless told. */
  readonly level?: number;
  /** 32 random bytes, one value a set: required for, and only used by, the secrets class. */
  readonly digestKey?: Uint8Array;
  /** Stores a finished shard. Called one at a time; while it is pending the next shard fills, and then `add` waits. */
  readonly onShard: (sealed: { readonly record: ShardRecord; readonly bytes: Uint8Array }) => Promise<void>;
  /** Name of the `n`th shard of this builder, from 1. */
  readonly nameOf: (n: number) => string;
}

export interface ObjectMeta {
  readonly uid: string;
  readonly owners?: readonly string[];
  /** The reading of the kind, where it is not the first. */
  readonly attempt?: number;
}

/** Packs objects into shards. One shard per builder is open and at most one is being sealed: memory does not grow with the set. */
export interface ShardBuilder {
  /**
   * Copies the object in and tells its index line: at once, or as a promise when the compressor or the store is behind. Await it before the
   * next call, so that memory stays bounded. Rejects with whatever made an earlier shard fail.
   */
  add(ref: ObjectRef, kind: string, json: Uint8Array, meta: ObjectMeta, fix?: true): IndexEntry | Promise<IndexEntry>;
  /** Seals what is open; resolves when every `onShard` has. */
  finish(): Promise<void>;
}

/** A fresh key for the digests of one set's Secrets. */
export function newDigestKey(random: (bytes: number) => Uint8Array = randomBytes): Uint8Array {
  return random(32);
}

export function createShardBuilder(options: ShardBuilderOptions): ShardBuilder {
  if (options.class === 'secrets' && options.digestKey?.length !== 32) {
    throw new HoldfastError('INTERNAL', 'a builder of secrets shards needs a digest key of 32 bytes');
  }
  return new SequentialBuilder(options);
}

class SequentialBuilder implements ShardBuilder {
  readonly #options: ShardBuilderOptions;
  readonly #digest: (json: Uint8Array) => string;
  #open: OpenShard | undefined;
  #count = 0;
  #sealing: Promise<void> = Promise.resolve();
  #failure: { readonly thrown: unknown } | undefined;

  constructor(options: ShardBuilderOptions) {
    this.#options = options;
    const key = options.class === 'secrets' ? options.digestKey : undefined;
    this.#digest = key === undefined ? json => `sha256:${sha256Hex(json)}` : json => `hmac-sha256:${hmacSha256Hex(key, json)}`;
  }

  add(ref: ObjectRef, kind: string, json: Uint8Array, meta: ObjectMeta, fix?: true): IndexEntry | Promise<IndexEntry> {
    if (this.#failure !== undefined) throw this.#failure.thrown;
    if (isSecretKind(ref) !== (this.#options.class === 'secrets')) {
      throw new HoldfastError('INTERNAL', `${refName(ref)} does not belong into a shard of class ${this.#options.class}`);
    }
    this.#open ??= this.#openShard();
    const shard = this.#open;
    const entry: IndexEntry = {
      group: ref.group,
      version: ref.version,
      resource: ref.resource,
      kind,
      namespace: ref.namespace,
      name: ref.name,
      uid: meta.uid,
      ...(meta.owners !== undefined && meta.owners.length > 0 && { owners: meta.owners }),
      digest: this.#digest(json),
      size: json.length,
      shard: shard.name,
      ...(meta.attempt !== undefined && { attempt: meta.attempt }),
      ...(fix && { fix }),
    };
    shard.append(archivePath(ref), json);
    shard.entries++;
    const behind = shard.behind();
    if (behind === undefined && !this.#isFull(shard)) return entry;
    return this.#catchUp(shard, behind).then(() => entry);
  }

  async finish(): Promise<void> {
    if (this.#open !== undefined) await this.#cut(this.#open);
    await this.#sealing;
    if (this.#failure !== undefined) throw this.#failure.thrown;
  }

  #openShard(): OpenShard {
    const shard = new OpenShard(this.#options.nameOf(++this.#count), this.#options.level);
    const key = this.#options.digestKey;
    if (this.#options.class === 'secrets' && key !== undefined) shard.append(digestKeyPath, Buffer.from(Buffer.from(key).toString('hex')));
    return shard;
  }

  #isFull(shard: OpenShard): boolean {
    const { targetBytes = defaultTargetBytes, maxTarBytes = defaultMaxTarBytes } = this.#options;
    return shard.compressedBytes >= targetBytes || shard.tarBytes >= maxTarBytes;
  }

  async #catchUp(shard: OpenShard, behind: Promise<void> | undefined): Promise<void> {
    await behind;
    if (this.#open === shard && this.#isFull(shard)) await this.#cut(shard);
    if (this.#failure !== undefined) throw this.#failure.thrown;
  }

  /** Waits for the shard before, then lets this one be sealed while the next one fills. */
  async #cut(shard: OpenShard): Promise<void> {
    this.#open = undefined;
    const before = this.#sealing;
    this.#sealing = before.then(() => this.#seal(shard));
    await before;
  }

  async #seal(shard: OpenShard): Promise<void> {
    if (this.#failure !== undefined) return;
    const { recipients, class: shardClass, onShard } = this.#options;
    try {
      const compressed = await shard.finish();
      const bytes = recipients.length > 0 ? await seal(recipients, compressed) : Buffer.concat(compressed);
      for (const piece of compressed) releaseMemory(piece);
      const { name, tarBytes, entries } = shard;
      await onShard({ record: { name, class: shardClass, bytes: bytes.length, tarBytes, entries, sha256: sha256Hex(bytes) }, bytes });
    } catch (thrown) {
      this.#failure = { thrown };
    }
  }
}

/** A tar archive on its way through the compressor. */
class OpenShard {
  readonly name: string;
  entries = 0;
  tarBytes = 0;
  readonly #compressor: Compressor;
  #block = Buffer.allocUnsafeSlow(blockBytes);
  readonly #spare: Buffer<ArrayBuffer>[] = [];
  #filled = 0;
  #ahead = 0;
  #taken: Promise<void> = Promise.resolve();

  constructor(name: string, level: number | undefined) {
    this.name = name;
    this.#compressor = createCompressor(level);
  }

  get compressedBytes(): number {
    return this.#compressor.bytes;
  }

  append(path: string, content: Uint8Array): void {
    const entry = tarEntry(path, content);
    if (this.#filled + entry.bytes > this.#block.length) this.#flush(entry.bytes);
    entry.put(this.#block, this.#filled);
    this.#filled += entry.bytes;
    this.tarBytes += entry.bytes;
  }

  /** Something to wait for when too much was handed to the compressor. */
  behind(): Promise<void> | undefined {
    return this.#ahead > blocksAhead ? this.#taken : undefined;
  }

  async finish(): Promise<Buffer[]> {
    if (this.#filled + endOfTar.length > this.#block.length) this.#flush(0);
    this.#block.set(endOfTar, this.#filled);
    this.#filled += endOfTar.length;
    this.tarBytes += endOfTar.length;
    this.#flush(0);
    await this.#taken;
    return this.#compressor.finish();
  }

  #flush(nextBytes: number): void {
    if (this.#filled > 0) {
      const block = this.#block;
      this.#ahead++;
      const written = this.#compressor.write(block.subarray(0, this.#filled)).finally(() => this.#release(block));
      this.#taken = Promise.all([this.#taken, written]).then(() => {});
      // Whoever waits on it later sees the failure; nobody may be waiting yet.
      this.#taken.catch(() => {});
    }
    this.#block = nextBytes <= blockBytes ? (this.#spare.pop() ?? Buffer.allocUnsafeSlow(blockBytes)) : Buffer.allocUnsafeSlow(nextBytes);
    this.#filled = 0;
  }

  /** Blocks are used again: garbage of this size is collected late. */
  #release(block: Buffer<ArrayBuffer>): void {
    this.#ahead--;
    if (block.length === blockBytes) this.#spare.push(block);
  }
}

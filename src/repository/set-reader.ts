import type { IndexEntry, Manifest } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Identity } from '../domain/identity.ts';
import { archivePath } from '../domain/resource.ts';
import { eachConcurrently } from './concurrency.ts';
import { effectiveness, type Fixes, fixCollector, type IndexLine, readIndexPart } from './index-reader.ts';
import { isSealed } from './layout.ts';
import type { ManifestSignature } from './manifest.ts';
import { objectDigests } from './object-digests.ts';
import { readSetFile } from './read-bytes.ts';
import { requireManifest } from './read-manifest.ts';
import type { Repository } from './repository.ts';
import { type ShardGroup, shardGroups } from './shard-groups.ts';
import { unsealedTar } from './unseal.ts';

const defaultConcurrency = 2;

export interface OpenSetOptions {
  /** age identities; without one only the manifest and an unsealed index can be read. */
  readonly identities?: readonly Identity[];
  /** Public keys (PEM) of which one must have signed the manifest; without any, only damage is ruled out. */
  readonly trusted?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface ReadOptions {
  readonly signal?: AbortSignal;
}

/** A backup set, open for reading. Every byte given out was checked against the signed manifest. */
export interface SetReader {
  readonly manifest: Manifest;
  readonly signature: ManifestSignature;

  /** What the set holds, late changes applied, in archive order. BACKUP_CORRUPT, and IDENTITY_ codes when the index is sealed. */
  entries(options?: ReadOptions): AsyncIterable<IndexEntry>;

  /**
   * Gives out the JSON of every wanted object, reading only the shards that hold one. Objects of a shard come one after another in archive
   * order; `concurrency` (2 unless told) shards are read side by side, in no order. BACKUP_CORRUPT, IDENTITY_MISSING, IDENTITY_WRONG.
   */
  read(
    wanted: (entry: IndexEntry) => boolean,
    onObject: (entry: IndexEntry, json: string) => Promise<void> | void,
    options?: ReadOptions & { readonly concurrency?: number },
  ): Promise<void>;
}

/** BACKUP_NOT_FOUND, BACKUP_CORRUPT, SIGNATURE_INVALID, REPO_UNSUPPORTED. */
export async function openSet(repository: Repository, id: string, options: OpenSetOptions = {}): Promise<SetReader> {
  const { manifest, signature } = await requireManifest(repository, id, options);
  return new StoredSet(repository, manifest, signature, options.identities ?? []);
}

class StoredSet implements SetReader {
  readonly manifest: Manifest;
  readonly signature: ManifestSignature;
  readonly #repository: Repository;
  readonly #identities: readonly Identity[];
  #fixes: Fixes | undefined;

  constructor(repository: Repository, manifest: Manifest, signature: ManifestSignature, identities: readonly Identity[]) {
    this.#repository = repository;
    this.manifest = manifest;
    this.signature = signature;
    this.#identities = identities;
  }

  async *entries(options: ReadOptions = {}): AsyncGenerator<IndexEntry> {
    for await (const batch of this.#lines(options)) {
      for (const { entry, effective } of batch) if (effective) yield entry;
    }
  }

  async read(
    wanted: (entry: IndexEntry) => boolean,
    onObject: (entry: IndexEntry, json: string) => Promise<void> | void,
    options: ReadOptions & { readonly concurrency?: number } = {},
  ): Promise<void> {
    const groups = shardGroups(this.#lines(options), this.manifest.shards, line => line.effective && wanted(line.entry));
    await eachConcurrently(groups, options.concurrency ?? defaultConcurrency, group => this.#readShard(group, onObject, options));
  }

  async #readShard(
    group: ShardGroup,
    onObject: (entry: IndexEntry, json: string) => Promise<void> | void,
    options: ReadOptions,
  ): Promise<void> {
    const { record } = group;
    const unsealing = { identities: this.#identities, signal: options.signal };
    if (isSealed(record.name) && this.#identities.length === 0) {
      throw new HoldfastError('IDENTITY_MISSING', `${record.name} of ${this.manifest.id} is sealed, and no identity was given`);
    }
    const bytes = await readSetFile(this.#repository.store, this.manifest.id, record, options);
    const pending = pendingByPath(group.entries);
    const digests = objectDigests(record);
    for await (const { path, content } of unsealedTar(record.name, bytes, unsealing)) {
      if (digests.takeKey(path, content)) continue;
      const entry = pending.has(path) ? take(pending, path, digests.of(content)) : undefined;
      if (entry !== undefined) await onObject(entry, content.toString('utf8'));
      options.signal?.throwIfAborted();
    }
    const [missing] = pending.keys();
    if (missing !== undefined) {
      throw new HoldfastError(
        'BACKUP_CORRUPT',
        `${record.name} of ${this.manifest.id} does not hold ${missing} as its index line describes it`,
      );
    }
  }

  async *#lines(options: ReadOptions): AsyncGenerator<IndexLine[]> {
    this.#fixes ??= await this.#collectFixes(options);
    const effective = effectiveness(this.manifest, this.#fixes);
    for await (const entries of this.#index(options)) yield entries.map(entry => ({ entry, effective: effective(entry) }));
  }

  async #collectFixes(options: ReadOptions): Promise<Fixes> {
    const collector = fixCollector(this.manifest);
    for await (const entries of this.#index(options)) for (const entry of entries) collector.add(entry);
    return collector.fixes;
  }

  async *#index(options: ReadOptions): AsyncGenerator<IndexEntry[]> {
    const unsealing = { identities: this.#identities, signal: options.signal };
    for (const record of this.manifest.index) yield* readIndexPart(this.#repository.store, this.manifest.id, record, unsealing);
  }
}

// An object that changed late can lie twice in one shard, at the same path: the digest tells which one is meant.
type Pending = Map<string, IndexEntry[]>;

function pendingByPath(entries: readonly IndexEntry[]): Pending {
  const pending: Pending = new Map();
  for (const entry of entries) {
    const path = archivePath(entry);
    const same = pending.get(path);
    if (same === undefined) pending.set(path, [entry]);
    else same.push(entry);
  }
  return pending;
}

function take(pending: Pending, path: string, digest: string): IndexEntry | undefined {
  const entries = pending.get(path) ?? [];
  const found = entries.findIndex(entry => entry.digest === digest);
  if (found < 0) return undefined;
  const [entry] = entries.splice(found, 1);
  if (entries.length === 0) pending.delete(path);
  return entry;
}

import type { IndexEntry, IndexRecord, Manifest, ShardRecord } from '../domain/backup-set.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Identity } from '../domain/identity.ts';
import { archivePath, kindName } from '../domain/resource.ts';
import type { Progress } from '../domain/runtime.ts';
import { eachConcurrently } from './concurrency.ts';
import type { Findings } from './findings.ts';
import { effectiveness, type Fixes, fixCollector, type IndexLine, readIndexPart } from './index-reader.ts';
import { fileKey, isSealed } from './layout.ts';
import { objectDigests } from './object-digests.ts';
import { readSetFile } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { type ShardGroup, shardGroups } from './shard-groups.ts';
import { unsealedTar } from './unseal.ts';

const shardsAtOnce = 2;

export interface FilesCheck {
  readonly identities: readonly Identity[];
  readonly signal: AbortSignal | undefined;
  readonly progress: Progress;
  readonly findings: Findings;
  /** Where no identity fits: throw IDENTITY_WRONG, or note it and go on with what lies sealed. */
  readonly stranger: 'throw' | 'note';
}

export interface CheckedFiles {
  readonly depth: 'files' | 'contents';
  readonly files: number;
  readonly bytes: number;
  readonly objects: number;
}

/** Reads every file that the manifest names, once (the index twice), and compares everything that can be compared. */
export async function verifyFiles(repository: Repository, manifest: Manifest, check: FilesCheck): Promise<CheckedFiles> {
  const verifier = new Verifier(repository, manifest, check);
  const fixes = await verifier.checkIndex();
  await verifier.checkShards(fixes);
  return verifier;
}

class Verifier implements CheckedFiles {
  files = 0;
  bytes = 0;
  objects = 0;
  /** Can the shards be opened? Decided once: without the right identity every one of them would say the same. */
  #canOpen: boolean;
  readonly #repository: Repository;
  readonly #manifest: Manifest;
  readonly #check: FilesCheck;

  constructor(repository: Repository, manifest: Manifest, check: FilesCheck) {
    this.#repository = repository;
    this.#manifest = manifest;
    this.#check = check;
    this.#canOpen = check.identities.length > 0 || manifest.encryption.scheme === 'none';
  }

  get depth(): 'files' | 'contents' {
    return this.#canOpen ? 'contents' : 'files';
  }

  /** The late changes, or undefined when the index cannot be read. */
  async checkIndex(): Promise<Fixes | undefined> {
    const collector = fixCollector(this.#manifest);
    let readable = true;
    for (const record of this.#manifest.index) {
      const done = await this.#attempt(record, async () => {
        if (isSealed(record.name) && !this.#canOpen) {
          await readSetFile(this.#repository.store, this.#manifest.id, record, this.#check);
          readable = false;
          return;
        }
        for await (const entries of this.#part(record)) for (const entry of entries) collector.add(entry);
      });
      this.#count(record);
      readable &&= done;
    }
    return readable ? collector.fixes : undefined;
  }

  async checkShards(fixes: Fixes | undefined): Promise<void> {
    const unseen = new Map(this.#manifest.shards.map(record => [record.name, record]));
    if (fixes !== undefined) {
      await this.#attempt({ name: 'index' }, async () => {
        const groups = shardGroups(this.#tallied(fixes), this.#manifest.shards, () => true);
        await eachConcurrently(groups, shardsAtOnce, group => {
          unseen.delete(group.record.name);
          return this.#checkShard(group.record, group);
        });
      });
    }
    const rest = fixes === undefined ? undefined : { lines: 0, entries: [] };
    await eachConcurrently([...unseen.values()], shardsAtOnce, record => this.#checkShard(record, rest));
  }

  async *#tallied(fixes: Fixes): AsyncGenerator<IndexLine[]> {
    const effective = effectiveness(this.#manifest, fixes);
    const counts = new Map<string, number>();
    for (const record of this.#manifest.index) {
      for await (const entries of this.#part(record)) {
        const lines = entries.map(entry => ({ entry, effective: effective(entry) }));
        for (const { entry } of lines.filter(line => line.effective)) counts.set(kindName(entry), (counts.get(kindName(entry)) ?? 0) + 1);
        yield lines;
      }
    }
    this.#compareCounts(counts);
  }

  #compareCounts(counts: Map<string, number>): void {
    const { kinds, objects, id } = this.#manifest;
    const { findings } = this.#check;
    for (const kind of kinds) {
      const found = counts.get(kindName(kind)) ?? 0;
      if (found !== kind.count) {
        findings.error('BACKUP_CORRUPT', kindName(kind), `the manifest counts ${kind.count} objects, the index of ${id} has ${found}`);
      }
      counts.delete(kindName(kind));
    }
    for (const [kind, found] of counts) {
      findings.error('BACKUP_CORRUPT', kind, `the index of ${id} has ${found} objects of a kind that the manifest does not name`);
    }
    const total = kinds.reduce((sum, kind) => sum + kind.count, 0);
    if (total !== objects) findings.error('BACKUP_CORRUPT', id, `the manifest counts ${objects} objects, but ${total} over all kinds`);
  }

  #part(record: IndexRecord): AsyncGenerator<IndexEntry[]> {
    return readIndexPart(this.#repository.store, this.#manifest.id, record, this.#check);
  }

  /** `group` is undefined where the index cannot be read: then the shard is only checked by itself. */
  async #checkShard(record: ShardRecord, group: Pick<ShardGroup, 'lines' | 'entries'> | undefined): Promise<void> {
    await this.#attempt(record, async () => {
      const bytes = await readSetFile(this.#repository.store, this.#manifest.id, record, this.#check);
      if (group !== undefined && group.lines !== record.entries) {
        throw new HoldfastError('BACKUP_CORRUPT', `the manifest counts ${record.entries} entries, the index has ${group.lines}`);
      }
      if (this.#canOpen) await this.#checkContents(record, bytes, group?.entries);
    });
    this.#count(record);
  }

  async #checkContents(record: ShardRecord, bytes: Uint8Array, entries: readonly IndexEntry[] | undefined): Promise<void> {
    const expected =
      entries === undefined ? undefined : countedTexts(entries.map(entry => `${entry.digest} ${entry.size} ${archivePath(entry)}`));
    const digests = objectDigests(record);
    let found = 0;
    for await (const { path, content } of unsealedTar(record.name, bytes, this.#check)) {
      if (digests.takeKey(path, content)) continue;
      found++;
      const text = `${digests.of(content)} ${content.length} ${path}`;
      if (expected === undefined) continue;
      if (expected.take(text)) this.objects++;
      else this.#check.findings.error('BACKUP_CORRUPT', path, `what lies in ${record.name} is not what the index describes`);
    }
    if (found !== record.entries) {
      throw new HoldfastError('BACKUP_CORRUPT', `the archive holds ${found} entries instead of ${record.entries}`);
    }
  }

  /** Damage becomes a finding; a store that fails is thrown. */
  async #attempt(record: { readonly name: string }, work: () => Promise<void>): Promise<boolean> {
    const item = fileKey(this.#manifest.id, record.name);
    try {
      await work();
      return true;
    } catch (thrown) {
      const { findings, stranger } = this.#check;
      if (isCode(thrown, 'BACKUP_CORRUPT')) findings.error(thrown.code, item, thrown.message);
      else if (isCode(thrown, 'IDENTITY_WRONG') && stranger === 'note') {
        if (this.#canOpen) findings.note(thrown.code, item, `${thrown.message}; only what lies sealed was checked`);
        this.#canOpen = false;
      } else throw thrown;
      return false;
    }
  }

  #count(record: { readonly name: string; readonly bytes: number }): void {
    this.files++;
    this.bytes += record.bytes;
    this.#check.progress({
      phase: 'verify',
      detail: record.name,
      objects: this.objects,
      totalObjects: this.#manifest.objects,
      bytes: this.bytes,
    });
  }
}

/** A bag of texts: the same object may lie in a shard twice. */
function countedTexts(texts: readonly string[]): { take(text: string): boolean } {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return {
    take: text => {
      const left = counts.get(text) ?? 0;
      if (left > 0) counts.set(text, left - 1);
      return left > 0;
    },
  };
}

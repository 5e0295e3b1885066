import { pipeline, Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { extract } from 'tar-stream';
import { open } from '../crypto/age.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Identity } from '../domain/identity.ts';
import { isSealed } from './layout.ts';

export interface Unsealing {
  /** age identities; needed for files whose name ends with `.age`. */
  readonly identities: readonly Identity[];
  readonly signal?: AbortSignal | undefined;
}

/** Still compressed. IDENTITY_MISSING, IDENTITY_WRONG, BACKUP_CORRUPT; the file's digest is to be checked before. */
async function unseal(name: string, bytes: Uint8Array, identities: readonly Identity[]): Promise<Uint8Array> {
  if (!isSealed(name)) return bytes;
  if (identities.length === 0) throw new HoldfastError('IDENTITY_MISSING', `${name} is sealed, and no identity was given`);
  try {
    return await open(identities, bytes);
  } catch (thrown) {
    if (thrown instanceof HoldfastError) throw new HoldfastError(thrown.code, `${name}: ${thrown.message}`, { cause: thrown });
    throw thrown;
  }
}

/** What a sealed, compressed file holds, as a stream of constant memory. */
export async function* unsealed(name: string, bytes: Uint8Array, { identities, signal }: Unsealing): AsyncGenerator<Buffer> {
  const compressed = await unseal(name, bytes, identities);
  const zstd = createZstdDecompress({ chunkSize: 256 * 1024 });
  pipeline(Readable.from([compressed], { objectMode: false }), zstd, () => {});
  try {
    for await (const chunk of zstd) {
      signal?.throwIfAborted();
      yield chunk as Buffer;
    }
  } catch (thrown) {
    signal?.throwIfAborted();
    throw new HoldfastError('BACKUP_CORRUPT', `${name} does not decompress`, { cause: thrown });
  }
}

export interface TarFile {
  readonly path: string;
  readonly content: Buffer;
}

/** The files of a shard, one in memory at a time. BACKUP_CORRUPT, IDENTITY_MISSING, IDENTITY_WRONG. */
export async function* unsealedTar(name: string, bytes: Uint8Array, unsealing: Unsealing): AsyncGenerator<TarFile> {
  const archive = extract();
  const source = Readable.from(unsealed(name, bytes, unsealing), { objectMode: false });
  let failure: unknown;
  source.on('error', thrown => {
    failure = thrown;
    archive.destroy(thrown);
  });
  source.pipe(archive);
  try {
    for await (const entry of archive) {
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      yield { path: entry.header.name, content: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) };
    }
  } catch (thrown) {
    unsealing.signal?.throwIfAborted();
    const cause = failure ?? thrown;
    if (cause instanceof HoldfastError) throw cause;
    throw new HoldfastError('BACKUP_CORRUPT', `${name} is not a whole tar archive`, { cause });
  } finally {
    source.destroy();
    archive.destroy();
  }
}

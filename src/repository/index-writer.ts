import { seal } from '../crypto/age.ts';
import { sha256Hex } from '../crypto/digest.ts';
import type { IndexEntry, IndexRecord } from '../domain/backup-set.ts';
import { type Compressor, createCompressor } from './compressor.ts';
import { indexName } from './layout.ts';

/** About 60,000 lines: digests and UIDs do not compress. */
const defaultPartBytes = 4 * 1024 * 1024;
const blockBytes = 64 * 1024;

export interface IndexWriterOptions {
  readonly recipients: readonly string[];
  /** Seal the index too; without it only the names, sizes and digests of objects lie in the clear. */
  readonly sealIndex: boolean;
  /** Stores a finished part. */
  readonly onPart: (part: { readonly record: IndexRecord; readonly bytes: Uint8Array }) => Promise<void>;
  /** Compressed size at which a part is cut; 4 MiB unless told. */
  readonly partBytes?: number;
}

/** Streams index lines into parts; memory does not grow with the set. */
export interface IndexWriter {
  /** Lines keep their order. Await a returned promise before the next call. */
  add(entry: IndexEntry): void | Promise<void>;
  /** Writes what is left; a set without objects has no index part. */
  finish(): Promise<void>;
}

export function createIndexWriter(options: IndexWriterOptions): IndexWriter {
  const sealed = options.sealIndex && options.recipients.length > 0;
  let parts = 0;
  let compressor: Compressor | undefined;
  let lines = 0;
  let text = '';

  const flush = async (): Promise<void> => {
    const block = Buffer.from(text);
    text = '';
    compressor ??= createCompressor();
    await compressor.write(block);
    if (compressor.bytes >= (options.partBytes ?? defaultPartBytes)) await cut();
  };

  const cut = async (): Promise<void> => {
    if (compressor === undefined) return;
    const compressed = await compressor.finish();
    const bytes = sealed ? await seal(options.recipients, compressed) : Buffer.concat(compressed);
    const record = { name: indexName(++parts, sealed), bytes: bytes.length, lines, sha256: sha256Hex(bytes) };
    compressor = undefined;
    lines = 0;
    await options.onPart({ record, bytes });
  };

  return {
    add: entry => {
      text += `${JSON.stringify(entry)}\n`;
      lines++;
      if (text.length >= blockBytes) return flush();
    },
    finish: async () => {
      if (text !== '') await flush();
      await cut();
    },
  };
}

import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { HoldfastError } from '../domain/errors.ts';

// The payload of an age file (C2SP age.md, "Payload"): 64 KiB chunks under ChaCha20-Poly1305, a counter for nonce, a flag on the last one.
// By node:crypto, because the JavaScript cipher of age-encryption moves 50 MB/s and this one several hundred.
const chunkBytes = 64 * 1024;
const tagBytes = 16;
const sealedChunkBytes = chunkBytes + tagBytes;
const cipher = 'chacha20-poly1305';

/** Length of the random nonce between header and payload. */
export const payloadNonceBytes = 16;

export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', fileKey, nonce, 'payload', 32));
}

function chunkNonce(index: number, last: boolean): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(index, 5, 6);
  nonce[11] = last ? 1 : 0;
  return nonce;
}

function sealChunk(key: Uint8Array, index: number, last: boolean, plain: Uint8Array): Uint8Array[] {
  const box = createCipheriv(cipher, key, chunkNonce(index, last), { authTagLength: tagBytes });
  const sealed = box.update(plain);
  box.final();
  return [sealed, box.getAuthTag()];
}

function openChunk(key: Uint8Array, index: number, last: boolean, sealed: Uint8Array): Uint8Array {
  if (sealed.length < tagBytes) throw new HoldfastError('BACKUP_CORRUPT', 'sealed data ends too early');
  const box = createDecipheriv(cipher, key, chunkNonce(index, last), { authTagLength: tagBytes });
  box.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const plain = box.update(sealed.subarray(0, sealed.length - tagBytes));
  try {
    box.final();
  } catch {
    throw new HoldfastError('BACKUP_CORRUPT', `sealed data was altered or cut in chunk ${index + 1}`);
  }
  if (last && index > 0 && plain.length === 0) throw new HoldfastError('BACKUP_CORRUPT', 'sealed data ends with an empty chunk');
  return plain;
}

/** Cuts a stream into pieces of `size` bytes; the last is what remains: 1 to `size` bytes, or none for an empty stream. */
async function* pieces(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<{ piece: Uint8Array; last: boolean }> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (let chunk of source) {
    while (bytes + chunk.length > size) {
      const take = size - bytes;
      held.push(chunk.subarray(0, take));
      yield { piece: held.length === 1 ? held[0]! : Buffer.concat(held), last: false };
      chunk = chunk.subarray(take);
      held = [];
      bytes = 0;
    }
    if (chunk.length > 0) held.push(chunk);
    bytes += chunk.length;
  }
  yield { piece: Buffer.concat(held), last: true };
}

export async function* sealPayload(key: Uint8Array, plain: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let index = 0;
  for await (const { piece, last } of pieces(plain, chunkBytes)) yield* sealChunk(key, index++, last, piece);
}

export async function* openPayload(key: Uint8Array, sealed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let index = 0;
  for await (const { piece, last } of pieces(sealed, sealedChunkBytes)) yield openChunk(key, index++, last, piece);
}

function chunksOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / chunkBytes));
}

/** What `bytes` of payload take once sealed. */
export function sealedPayloadBytes(bytes: number): number {
  return bytes + tagBytes * chunksOf(bytes);
}

/** All at once, from pieces of any size to the end of `out` from `at` on: a shard lies in memory twice and not four times. */
export function sealPayloadInto(key: Uint8Array, plain: readonly Uint8Array[], out: Uint8Array, at: number): void {
  const bytes = plain.reduce((sum, piece) => sum + piece.length, 0);
  const chunks = chunksOf(bytes);
  let [to, piece, from] = [at, 0, 0];
  for (let i = 0; i < chunks; i++) {
    const last = i === chunks - 1;
    const box = createCipheriv(cipher, key, chunkNonce(i, last), { authTagLength: tagBytes });
    for (let left = Math.min(chunkBytes, bytes - i * chunkBytes); left > 0; ) {
      const part = plain[piece]!.subarray(from, from + left);
      out.set(box.update(part), to);
      to += part.length;
      left -= part.length;
      from += part.length;
      if (from === plain[piece]!.length) [piece, from] = [piece + 1, 0];
    }
    box.final();
    out.set(box.getAuthTag(), to);
    to += tagBytes;
  }
}

export function openPayloadBytes(key: Uint8Array, sealed: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  const chunks = Math.max(1, Math.ceil(sealed.length / sealedChunkBytes));
  for (let i = 0; i < chunks; i++) {
    out.push(openChunk(key, i, i === chunks - 1, sealed.subarray(i * sealedChunkBytes, (i + 1) * sealedChunkBytes)));
  }
  return out;
}

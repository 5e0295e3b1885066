import { sha256Hex } from '../crypto/digest.ts';
import { HoldfastError } from '../domain/errors.ts';

// Both metadata files of a repository are two lines of JSON: the content, and what vouches for its exact bytes.

/** Content and proof, each one line without a line break inside, each ended by one. */
export function joinLines(content: string, proof: string): Uint8Array {
  return Buffer.from(`${content}\n${proof}\n`);
}

/** The proof of a file that nobody signs: damage is noticed, an author is not known. */
export function digestLine(content: Uint8Array): string {
  return JSON.stringify({ sha256: sha256Hex(content) });
}

/** BACKUP_CORRUPT unless the file is exactly two ended lines. `content` is the bytes that the proof is about. */
export function splitLines(file: Uint8Array, what: string): { content: Uint8Array; proof: string } {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const first = bytes.indexOf(0x0a);
  const second = bytes.indexOf(0x0a, first + 1);
  if (first < 0 || second !== bytes.length - 1) throw new HoldfastError('BACKUP_CORRUPT', `${what} is not two lines of JSON`);
  return { content: bytes.subarray(0, first), proof: bytes.toString('utf8', first + 1, second) };
}

/** BACKUP_CORRUPT when it is no JSON. */
export function parseLine(line: Uint8Array | string, what: string): unknown {
  try {
    return JSON.parse(typeof line === 'string' ? line : Buffer.from(line).toString('utf8'));
  } catch {
    throw new HoldfastError('BACKUP_CORRUPT', `${what} is not valid JSON`);
  }
}

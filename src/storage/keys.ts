import { HoldfastError } from '../domain/errors.ts';

/** Names beginning so belong to the file store: files being written. No key may hold one. */
export const reservedPrefix = '.holdfast-';

const hint = 'keys are made by Holdfast; one like this in a backup means that the backup was tampered with';

/**
 * The one rule for keys on every store, so that a repository can be copied between stores: at most 1024 bytes of UTF-8 (the limit of S3),
 * segments of 1 to 255 bytes (the limit of file systems) separated by `/`, none of them `.`, `..` or reserved, no control characters.
 * STORE_FORBIDDEN for any other: never a path out of the location.
 */
export function checkKey(key: string): void {
  const why = Buffer.byteLength(key) > 1024 ? 'is longer than 1024 bytes' : segmentsFault(key.split('/'));
  if (why !== undefined) throw new HoldfastError('STORE_FORBIDDEN', `key ${JSON.stringify(key.slice(0, 200))} ${why}`, { hint });
}

/** Like `checkKey` for the beginning of a key: the last segment may be cut anywhere, or be empty. */
export function checkPrefix(prefix: string): void {
  if (prefix === '') return;
  const segments = prefix.split('/');
  const last = segments.pop() ?? '';
  const why = segmentsFault(segments) ?? characterFault(last);
  if (why !== undefined) throw new HoldfastError('STORE_FORBIDDEN', `prefix ${JSON.stringify(prefix.slice(0, 200))} ${why}`, { hint });
}

function segmentsFault(segments: readonly string[]): string | undefined {
  for (const segment of segments) {
    if (segment === '') return 'has an empty segment';
    if (segment === '.' || segment === '..') return 'leads elsewhere';
    if (segment.startsWith(reservedPrefix)) return 'has a reserved segment';
    if (Buffer.byteLength(segment) > 255) return 'has a segment of more than 255 bytes';
    const fault = characterFault(segment);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function characterFault(text: string): string | undefined {
  if (!text.isWellFormed()) return 'is not well-formed Unicode';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return /[\u0000-\u001f\u007f\ufffe\uffff]/.test(text) ? 'has a control character' : undefined;
}

/** Order of the UTF-8 bytes. UTF-16, which `<` compares, puts characters beyond U+FFFF before those from U+E000 on. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return codePointRank(x) - codePointRank(y);
  }
  return a.length - b.length;
}

/** Lifts surrogates above all other code units, which is where UTF-8 puts what they stand for. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

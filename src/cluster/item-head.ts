import { apiVersion, type ResourceKind } from '../domain/resource.ts';

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** What has to be put behind an item's opening brace, and how to see quickly that nothing has to. */
export interface ItemHead {
  /** `"apiVersion":"v1","kind":"ConfigMap",` */
  readonly both: Uint8Array;
  /** The bytes that are missing from this item; empty when it names its kind itself. */
  missing(item: Uint8Array): Uint8Array;
}

const nothing = new Uint8Array(0);

export function itemHead(kind: ResourceKind): ItemHead {
  const version = `"apiVersion":${JSON.stringify(apiVersion(kind))}`;
  const name = `"kind":${JSON.stringify(kind.kind)}`;
  const both = Buffer.from(`${version},${name},`);
  // Go structs put TypeMeta first, as kind and apiVersion; unstructured objects are sorted by key.
  const sorted = Buffer.from(`{${version},${name}`);
  const typed = Buffer.from(`{${name},${version}`);
  const bare = Buffer.from('{"metadata":');
  let bareLacksBoth = false;
  return {
    both,
    missing(item) {
      if (startsWith(item, sorted) || startsWith(item, typed)) return nothing;
      if (bareLacksBoth && startsWith(item, bare)) return both;
      const keys = topLevelKeys(item);
      const hasVersion = keys.has('apiVersion');
      const hasKind = keys.has('kind');
      if (hasVersion && hasKind) return nothing;
      // One server writes all items of a list in one way, so what was seen of one that starts like this holds for the next.
      if (!hasVersion && !hasKind) bareLacksBoth ||= startsWith(item, bare);
      const parts = [...(hasVersion ? [] : [version]), ...(hasKind ? [] : [name])];
      return Buffer.from(parts.join(',') + (keys.size === 0 ? '' : ','));
    },
  };
}

function startsWith(item: Uint8Array, head: Uint8Array): boolean {
  if (item.length < head.length) return false;
  for (let i = 0; i < head.length; i += 1) if (item[i] !== head[i]) return false;
  return true;
}

/** The keys of one JSON object, those of objects within it left out; escapes in keys are not resolved. */
function topLevelKeys(item: Uint8Array): Set<string> {
  const keys = new Set<string>();
  let depth = 0;
  let expectKey = false;
  for (let i = 0; i < item.length; i += 1) {
    const byte = item[i];
    if (byte === quote) {
      const end = stringEnd(item, i + 1);
      if (depth === 1 && expectKey) keys.add(Buffer.from(item.subarray(i + 1, end)).toString('utf8'));
      expectKey = false;
      i = end;
    } else if (byte === openBrace || byte === 0x5b) {
      depth += 1;
      expectKey = depth === 1;
    } else if (byte === closeBrace || byte === 0x5d) {
      depth -= 1;
    } else if (byte === 0x2c && depth === 1) {
      expectKey = true;
    }
  }
  return keys;
}

/** Index of the quote that ends the string whose first byte is at `from`. */
function stringEnd(item: Uint8Array, from: number): number {
  let i = from;
  while (i < item.length && item[i] !== quote) i += item[i] === backslash ? 2 : 1;
  return i;
}

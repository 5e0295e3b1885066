import { HoldfastError } from '../domain/errors.ts';

const quote = 0x22;
const backslash = 0x5c;
const blank = 0x20;
const escapes: Readonly<Record<string, number>> = { '"': 0x22, '\\': 0x5c, '/': 0x2f, b: 8, f: 12, n: 10, r: 13, t: 9 };

/**
 * Takes the text of `identity.value` out of a JSON body before it becomes a string, which could not be wiped: its bytes are returned, and
 * blanks are left in their place. Undefined where there is none. What is not valid JSON is left for the parser to refuse.
 */
export function takeIdentityBytes(body: Buffer): Buffer | undefined {
  let taken: Buffer | undefined;
  let depth = 0;
  let expectKey = false;
  const isObject: boolean[] = [];
  const keys: string[] = [];
  for (let at = 0; at < body.length; at++) {
    const char = String.fromCharCode(body[at]!);
    if (char === '{' || char === '[') {
      depth += 1;
      isObject[depth] = expectKey = char === '{';
    } else if (char === '}' || char === ']') {
      depth -= 1;
      expectKey = false;
    } else if (char === ',') expectKey = isObject[depth] === true;
    else if (char === '"') {
      const end = endOfString(body, at);
      if (expectKey && depth <= 2) keys[depth] = keyText(body.subarray(at, end + 1));
      else if (!expectKey && depth === 2 && isObject[1] && isObject[2] && keys[1] === 'identity' && keys[2] === 'value') {
        taken?.fill(0);
        const text = body.subarray(at + 1, end);
        taken = unescaped(text);
        text.fill(blank);
      }
      expectKey = false;
      at = end;
    }
  }
  return taken;
}

/** Index of the closing quote, or of the last byte where there is none. */
function endOfString(body: Buffer, start: number): number {
  for (let at = start + 1; at < body.length; at++) {
    if (body[at] === backslash) at += 1;
    else if (body[at] === quote) return at;
  }
  return body.length - 1;
}

function keyText(token: Buffer): string {
  try {
    return String(JSON.parse(token.toString('utf8')));
  } catch {
    return '';
  }
}

/** RFC 8259 §7. Never longer than what it comes from. */
function unescaped(text: Buffer): Buffer {
  const out = Buffer.alloc(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!;
    if (byte < blank) throw malformed();
    if (byte !== backslash) {
      out[length++] = byte;
      continue;
    }
    const kind = String.fromCharCode(text[++at] ?? 0);
    if (kind === 'u') {
      const hex = text.toString('latin1', at + 1, at + 5);
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw malformed();
      length += out.write(String.fromCharCode(Number.parseInt(hex, 16)), length, 'utf8');
      at += 4;
    } else {
      const plain = escapes[kind];
      if (plain === undefined) throw malformed();
      out[length++] = plain;
    }
  }
  return out.subarray(0, length);
}

function malformed(): HoldfastError {
  return new HoldfastError('REQUEST_INVALID', 'the body is not valid JSON: identity.value is no string');
}

// A tar archive (POSIX.1-2001: ustar headers, pax records for names that do not fit) of small files, written straight into a block of memory.
// tar-stream, which reads these archives back, was measured as the writer: 100,000 entries of 1.2 kB took 0.66 s of CPU time through its
// `pack`, beside 0.12 s for their SHA-256 and 0.37 s for zstd; this takes 0.13 s, and needs no promise for an entry.

const blockBytes = 512;
const nameBytes = 100;
const prefixBytes = 155;
const modeOfFiles = 0o600;
/** 2000-01-01T00:00:00Z on every entry: the archive must not tell more than its objects, and GNU tar warns of 1970. */
const modified = 946_684_800;
const typeOfFiles = 0x30;

/** Two zero blocks. */
export const endOfTar: Uint8Array = new Uint8Array(2 * blockBytes);

const sizeAt = 124;
const sizeDigits = 11;
const typeAt = 156;
const prefixAt = 345;

const template = headerTemplate();
/** What a header’s checksum is before name, size and type are in; its own field counts as spaces. */
const templateSum = template.reduce((sum, byte) => sum + byte, 0);

function headerTemplate(): Buffer {
  const header = Buffer.alloc(blockBytes);
  header.write(octal(modeOfFiles, 7), 100, 'latin1');
  header.write(octal(0, 7), 108, 'latin1');
  header.write(octal(0, 7), 116, 'latin1');
  header.write(octal(modified, 11), 136, 'latin1');
  header.fill(' ', 148, 156);
  header[typeAt] = typeOfFiles;
  header.write('ustar', 257, 'latin1');
  header.write('00', 263, 'latin1');
  header.write(octal(0, 7), 329, 'latin1');
  header.write(octal(0, 7), 337, 'latin1');
  return header;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

function padded(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}

interface EntryName {
  readonly name: string;
  readonly prefix: string;
  /** The pax record with the true path, where the header cannot hold it. */
  readonly pax?: Buffer;
}

function entryName(path: string): EntryName {
  if (Buffer.byteLength(path) !== path.length) return { name: 'long-name', prefix: '', pax: paxPath(path) };
  if (path.length <= nameBytes) return { name: path, prefix: '' };
  const slash = path.indexOf('/', path.length - nameBytes - 1);
  if (slash < 1 || slash > prefixBytes || slash === path.length - 1) return { name: 'long-name', prefix: '', pax: paxPath(path) };
  return { name: path.slice(slash + 1), prefix: path.slice(0, slash) };
}

/** `<length> path=<path>\n`, where the length counts its own digits. */
function paxPath(path: string): Buffer {
  const rest = ` path=${path}\n`;
  const bytes = Buffer.byteLength(rest);
  let total = bytes + String(bytes).length;
  total = bytes + String(total).length;
  return Buffer.from(`${total}${rest}`);
}

function putHeader(block: Buffer, at: number, name: string, prefix: string, size: number, type: '0' | 'x'): void {
  template.copy(block, at);
  let sum = templateSum + put(block, at, name) + putOctal(block, at + sizeAt, size, sizeDigits);
  if (type !== '0') sum += put(block, at + typeAt, type) - typeOfFiles;
  if (prefix !== '') sum += put(block, at + prefixAt, prefix);
  putOctal(block, at + 148, sum, 6);
  block[at + 154] = 0;
}

/** Writes characters of one byte each, and returns their sum. */
function put(block: Buffer, at: number, text: string): number {
  let sum = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    block[at + i] = byte;
    sum += byte;
  }
  return sum;
}

/** `octal` written in place: the sum of its characters is returned. */
function putOctal(block: Buffer, at: number, value: number, digits: number): number {
  let rest = value;
  let sum = 0;
  for (let i = digits - 1; i >= 0; i--) {
    const byte = 0x30 + (rest % 8);
    block[at + i] = byte;
    sum += byte;
    rest = Math.floor(rest / 8);
  }
  return sum;
}

function putContent(block: Buffer, at: number, content: Uint8Array): number {
  block.set(content, at);
  const end = at + padded(content.length);
  block.fill(0, at + content.length, end);
  return end;
}

/** An entry ready to be written: how many bytes it takes, and how to put it into a block that has room for them. */
export interface TarEntry {
  readonly bytes: number;
  put(block: Buffer, at: number): void;
}

/** A regular file of mode 0600. `path` is relative and in normal form; `content` is less than 8 GiB and is copied by `put`. */
export function tarEntry(path: string, content: Uint8Array): TarEntry {
  const { name, prefix, pax } = entryName(path);
  const paxBytes = pax === undefined ? 0 : blockBytes + padded(pax.length);
  return {
    bytes: paxBytes + blockBytes + padded(content.length),
    put: (block, at) => {
      let here = at;
      if (pax !== undefined) {
        putHeader(block, here, 'PaxHeader', '', pax.length, 'x');
        here = putContent(block, here + blockBytes, pax);
      }
      putHeader(block, here, name, prefix, content.length, '0');
      putContent(block, here + blockBytes, content);
    },
  };
}

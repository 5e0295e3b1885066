import { constants } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HoldfastError } from '../domain/errors.ts';
import { parseIdentities, parseRecipients } from './age.ts';
import { loadPrivateKey, loadPublicKey } from './signing.ts';

const maxKeyFileBytes = 1024 * 1024;

/** A key that was read, and what its owner ought to know about the file. Warnings are for people and never hold key material. */
export interface KeyFile<T> {
  readonly value: T;
  readonly warnings: readonly string[];
}

/** Identities of an age key file. KEY_INVALID when it cannot be read or holds none. */
export function readIdentityFile(path: string): Promise<KeyFile<string[]>> {
  return readPrivate(path, text => parseIdentities(text, path));
}

/** Recipients of a file with one a line. KEY_INVALID when it cannot be read or a line is none. */
export async function readRecipientFile(path: string): Promise<string[]> {
  return parseRecipients((await readText(path)).text, path);
}

/** The PEM text of an Ed25519 private key. KEY_INVALID when it cannot be read or is none. */
export function readSigningKeyFile(path: string): Promise<KeyFile<string>> {
  return readPrivate(path, text => pemIn(path, text, loadPrivateKey));
}

/**
 * The PEM texts of Ed25519 public keys: one, or after a change of the signing key the new one and those of before. KEY_INVALID when they cannot
 * be read or one is none.
 */
export async function readPublicKeyFile(path: string): Promise<[string, ...string[]]> {
  const { text } = await readText(path);
  const [first = text, ...more] = text.split(/(?<=-----END PUBLIC KEY-----\r?\n)(?=\s*\S)/);
  return [pemIn(path, first, loadPublicKey), ...more.map(pem => pemIn(path, pem, loadPublicKey))];
}

/**
 * Writes a new key file and makes it durable. An existing file is never touched: KEY_INVALID.
 * `private` files get mode 0600, others 0644, both less the umask.
 */
export async function writeNewKeyFile(path: string, text: string, kind: 'private' | 'public'): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(
      path,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      kind === 'private' ? 0o600 : 0o644,
    );
  } catch (thrown) {
    const exists = codeOf(thrown) === 'EEXIST';
    const why = exists ? 'exists already, and keys are never overwritten' : `cannot be created (${codeOf(thrown)})`;
    const hint = exists
      ? 'choose another path, or move the old key to a safe place first'
      : 'choose a directory that exists and is writable';
    throw new HoldfastError('KEY_INVALID', `key file ${path}: ${why}`, { hint });
  }
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (thrown) {
    await unlink(path).catch(() => {});
    throw new HoldfastError('KEY_INVALID', `key file ${path}: cannot be written (${codeOf(thrown)})`, {
      hint: 'free space on that disk and run again',
    });
  } finally {
    await file.close();
  }
  await syncDirectory(dirname(path));
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  await directory.sync().finally(() => directory.close());
}

async function readPrivate<T>(path: string, parse: (text: string) => T): Promise<KeyFile<T>> {
  const { text, mode } = await readText(path);
  const value = parse(text);
  const exposed = mode !== undefined && (mode & 0o006) !== 0;
  return { value, warnings: exposed ? [`key file ${path} is open to every user of this machine; run chmod 600 on it`] : [] };
}

function pemIn(path: string, text: string, check: (pem: string) => unknown): string {
  try {
    check(text);
    return text;
  } catch (thrown) {
    if (thrown instanceof HoldfastError) throw new HoldfastError(thrown.code, `key file ${path}: ${thrown.message}`);
    throw thrown;
  }
}

/** `mode` is undefined for what is no regular file, such as a pipe from a password manager. */
async function readText(path: string): Promise<{ text: string; mode: number | undefined }> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const stat = await file.stat();
    if (stat.isDirectory()) throw new HoldfastError('KEY_INVALID', `key file ${path}: is a directory`);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > maxKeyFileBytes) throw new HoldfastError('KEY_INVALID', `key file ${path}: too large to be one`);
    }
    return { text: Buffer.concat(chunks).toString('utf8'), mode: stat.isFile() ? stat.mode : undefined };
  } catch (thrown) {
    if (thrown instanceof HoldfastError) throw thrown;
    const reasons: Record<string, string> = { ENOENT: 'does not exist', EACCES: 'may not be read by this user' };
    throw new HoldfastError('KEY_INVALID', `key file ${path}: ${reasons[codeOf(thrown)] ?? `cannot be read (${codeOf(thrown)})`}`);
  } finally {
    await file?.close();
  }
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown error';
}

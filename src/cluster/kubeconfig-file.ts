import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { parseDocument } from 'yaml';
import { HoldfastError } from '../domain/errors.ts';
import { isObject, type Json, type JsonObject } from '../domain/json.ts';

/** An entry of a kubeconfig's list, with the directory that its relative paths start from. */
export interface Entry {
  readonly value: JsonObject;
  readonly directory: string;
  readonly file: string;
}

/** One or several kubeconfig files as one. */
export interface Kubeconfig {
  /** For messages. */
  readonly source: string;
  readonly currentContext: string | undefined;
  readonly clusters: ReadonlyMap<string, Entry>;
  readonly users: ReadonlyMap<string, Entry>;
  readonly contexts: ReadonlyMap<string, Entry>;
}

export function invalid(message: string, cause?: unknown): HoldfastError {
  return new HoldfastError('KUBECONFIG_INVALID', message, cause === undefined ? {} : { cause });
}

/** Why a file could not be read, in a few words. */
export function readFailure(thrown: unknown): string {
  const { code, message } = thrown as NodeJS.ErrnoException;
  const known: Readonly<Record<string, string>> = {
    ENOENT: 'no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a directory',
    ENOTDIR: 'part of the path is no directory',
  };
  return known[code ?? ''] ?? message;
}

/**
 * Reads and merges as kubectl does: of two entries of one name the first file's counts, and so does the first `current-context`.
 * Files that do not exist are passed over when others do, unless `strict`.
 */
export async function readKubeconfig(files: readonly string[], strict: boolean): Promise<Kubeconfig> {
  const clusters = new Map<string, Entry>();
  const users = new Map<string, Entry>();
  const contexts = new Map<string, Entry>();
  let currentContext: string | undefined;
  let read = 0;
  for (const file of files) {
    const document = await readOne(file, strict);
    if (document === undefined) continue;
    read += 1;
    collect(clusters, document.clusters, 'cluster', file);
    collect(users, document.users, 'user', file);
    collect(contexts, document.contexts, 'context', file);
    const named = document['current-context'];
    if (currentContext === undefined && typeof named === 'string' && named !== '') currentContext = named;
  }
  if (read === 0) throw invalid(`kubeconfig ${files.join(', ')}: no such file`);
  return { source: files.join(', '), currentContext, clusters, users, contexts };
}

async function readOne(file: string, strict: boolean): Promise<JsonObject | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    if (!strict && (thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw invalid(`kubeconfig ${file}: ${readFailure(thrown)}`, thrown);
  }
  const document = parseDocument(text, { prettyErrors: false });
  const [error] = document.errors;
  // The parser's own text may quote the line, and the line may be a token.
  if (error !== undefined) throw invalid(`kubeconfig ${file}: not YAML: ${error.code} at line ${lineAt(text, error.pos[0])}`);
  const value = document.toJS() as Json;
  if (value === null) throw invalid(`kubeconfig ${file}: it is empty`);
  if (!isObject(value)) throw invalid(`kubeconfig ${file}: not a mapping`);
  return value;
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

function collect(into: Map<string, Entry>, list: Json | undefined, key: string, file: string): void {
  if (list === undefined || list === null) return;
  if (!Array.isArray(list)) throw invalid(`kubeconfig ${file}: ${key}s is not a list`);
  for (const item of list) {
    if (!isObject(item) || typeof item.name !== 'string') throw invalid(`kubeconfig ${file}: a ${key} without a name`);
    const value = item[key] ?? {};
    if (!isObject(value)) throw invalid(`kubeconfig ${file}: ${key} ${item.name} is not a mapping`);
    if (!into.has(item.name)) into.set(item.name, { value, directory: dirname(resolve(file)), file });
  }
}

/** A path written in a kubeconfig is relative to the file it stands in. */
export function pathIn(entry: Entry, path: string): string {
  return isAbsolute(path) ? path : resolve(entry.directory, path);
}

/** Node passes over a CA that it cannot read, and the server would look untrusted. */
export function checkAuthority(entry: Entry, pem: string, what: string): void {
  try {
    new X509Certificate(pem);
  } catch (thrown) {
    throw invalid(`kubeconfig ${entry.file}: the certificate authority of ${what} is no certificate`, thrown);
  }
}

export function checkKeyPair(entry: Entry, cert: string, key: string, what: string): void {
  try {
    createSecureContext({ cert, key });
  } catch (thrown) {
    // OpenSSL's words name the fault, never the key.
    throw invalid(`kubeconfig ${entry.file}: client certificate and key of ${what} do not serve: ${(thrown as Error).message}`, thrown);
  }
}

export function textOf(entry: Entry, key: string): string | undefined {
  const value = entry.value[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** PEM from `<key>-data` (base64) or from the file that `<key>` names; data wins, as in kubectl. */
export async function pemOf(entry: Entry, key: string, what: string): Promise<string | undefined> {
  const data = textOf(entry, `${key}-data`);
  if (data !== undefined) {
    const pem = Buffer.from(data, 'base64').toString('utf8');
    if (!pem.includes('-----BEGIN ')) throw invalid(`kubeconfig ${entry.file}: ${key}-data of ${what} is not base64 of PEM`);
    return pem;
  }
  const path = textOf(entry, key);
  if (path === undefined) return undefined;
  const file = pathIn(entry, path);
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    throw invalid(`kubeconfig ${entry.file}: ${key} ${file} of ${what}: ${readFailure(thrown)}`, thrown);
  }
}

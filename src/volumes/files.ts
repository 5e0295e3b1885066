import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type ErrorCode, HoldfastError } from '../domain/errors.ts';
import type { RepositoryAccess } from '../domain/repository-access.ts';
import type { VolumeFile } from '../domain/volume-file.ts';
import { volumeMount } from './ports.ts';

export interface FilesInput {
  readonly access: RepositoryAccess;
  readonly password: string;
  /** Id of the restic snapshot. */
  readonly snapshot: string;
  /** A folder of the volume; `/` is its root. */
  readonly path: string;
  /** Everything below it too. */
  readonly recursive: boolean;
  /** The program; one of PATH unless it is a path. */
  readonly restic: string;
  /** What it is started with besides its credentials: PATH, HOME. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** restic's own exit codes, as its documentation lists them. */
const codes: Readonly<Record<number, ErrorCode>> = { 10: 'STORE_NOT_FOUND', 12: 'VOLUME_PASSWORD_WRONG' };
const longestTrouble = 2_000;

/**
 * What lies in a folder of a backed-up volume, as restic lists it: streamed, in its order. The password goes in through its standard input, credentials through
 * the environment of the child. CONFIG_INVALID where there is no restic, VOLUME_DATA_MISSING where there is no such folder, VOLUME_ and STORE_ codes.
 */
export async function* volumeFiles(input: FilesInput): AsyncGenerator<VolumeFile> {
  const dir = input.access.ca === undefined ? undefined : await mkdtemp(join(tmpdir(), 'holdfast-ca-'));
  try {
    const authorities = dir === undefined ? [] : ['--cacert', await written(join(dir, 'ca.crt'), input.access.ca ?? '')];
    yield* listed(input, authorities);
  } finally {
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }
}

async function* listed(input: FilesInput, more: readonly string[]): AsyncGenerator<VolumeFile> {
  const { access, path, recursive, snapshot, signal } = input;
  const folder = `${volumeMount}${path === '/' ? '' : path.replace(/\/+$/, '')}`;
  const options = access.options.flatMap(option => ['-o', option]);
  const args = ['-r', access.url, ...options, ...more, '--no-lock', '--no-cache', '--json'];
  const child = spawn(input.restic, [...args, 'ls', ...(recursive ? ['--recursive'] : []), snapshot, folder], {
    env: { ...plain(input.environment), ...credentials(access) },
    stdio: ['pipe', 'pipe', 'pipe'],
    signal,
  });
  let trouble = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    trouble = `${trouble}${text}`.slice(-longestTrouble);
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  ended.catch(() => {});
  child.stdin.on('error', () => {});
  child.stdin.end(`${input.password}\n`);
  let seen = false;
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const node = JSON.parse(line) as Record<string, unknown>;
      if (node['struct_type'] !== 'node') continue;
      const at = String(node['path']);
      seen ||= at === folder || at.startsWith(`${folder}/`);
      if (at.startsWith(`${folder}/`)) yield fileOf(node, at.slice(volumeMount.length));
    }
    const [code] = await ended;
    if (code !== 0) throw failure(code, trouble);
    if (!seen)
      throw new HoldfastError('VOLUME_DATA_MISSING', `there is no folder ${path} in the volume`, { hint: 'look at the folder above it' });
  } catch (thrown) {
    signal.throwIfAborted();
    throw (thrown as { code?: unknown }).code === 'ENOENT' ? missing(input.restic) : thrown;
  } finally {
    child.kill();
  }
}

function fileOf(node: Record<string, unknown>, path: string): VolumeFile {
  const type = node['type'] as VolumeFile['type'];
  return {
    ...{ path, type, mode: String(node['permissions'] ?? ''), uid: Number(node['uid'] ?? 0), gid: Number(node['gid'] ?? 0) },
    modified: String(node['mtime'] ?? ''),
    ...(type === 'file' && { size: Number(node['size'] ?? 0) }),
  };
}

function credentials(access: RepositoryAccess): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: access.accessKeyId,
    AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
    ...(access.sessionToken !== undefined && { AWS_SESSION_TOKEN: access.sessionToken }),
  };
}

function plain(environment: FilesInput['environment']): Record<string, string> {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];
  return Object.fromEntries(kept.flatMap(name => (environment[name] === undefined ? [] : [[name, environment[name]]])));
}

async function written(file: string, text: string): Promise<string> {
  await writeFile(file, text);
  return file;
}

function missing(restic: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `there is no ${restic} here, which reads the repositories of volumes`, {
    hint: 'install restic 0.18 or newer, or ask a service (--server), whose image has it',
  });
}

function failure(code: number | null, trouble: string): HoldfastError {
  const last = trouble.trim().split('\n').at(-1) ?? '';
  let message = last;
  try {
    message = String((JSON.parse(last) as { message?: unknown }).message ?? last);
  } catch {
    // It was no JSON, and stays as it is.
  }
  return new HoldfastError(codes[code ?? -1] ?? 'STORE_ERROR', `restic: ${message.replace(/^Fatal: /, '') || `exit code ${code}`}`);
}

import * as z from 'zod';
import type { ErrorCode } from '../domain/errors.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import {
  type EndedPhase,
  type OperationKind,
  type OperationLogLine,
  type OperationRequest,
  type OperationResult,
  operationKinds,
  operationPhases,
} from '../domain/operation.ts';
import { setIdPattern, stampOf } from '../domain/set-id.ts';
import { firstIssue } from './manifest.ts';
import { type CallOptions, readBytes, withSignal } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { digestLine, joinLines, parseLine, splitLines } from './signed-lines.ts';

/** Below it one folder an operation, named by its id. */
export const operationsPrefix = 'operations/';

export const operationFiles = ['request.json', 'started.json', 'result.json'] as const;
export type OperationFile = (typeof operationFiles)[number] | `resumed-${string}.json`;

const maxRecordBytes = 4 * 1024 * 1024;
const maxLogBytes = 1024 * 1024;

const time = z.iso.datetime();
const fields = z.record(z.string(), z.unknown());
const kinds: readonly string[] = operationKinds;
const ended: readonly string[] = operationPhases.slice(2);

const requestSchema = z.object({
  id: z.string().regex(setIdPattern),
  kind: z
    .string()
    .refine(kind => kinds.includes(kind))
    .transform(kind => kind as OperationKind),
  subject: z.string(),
  actor: z.object({ name: z.string(), via: z.enum(['schedule', 'api', 'cli', 'service']) }),
  createdAt: time,
  parameters: fields,
  namespaces: z.array(z.string()).exactOptional(),
  cluster: z.object({ uid: z.string(), server: z.string() }).exactOptional(),
  idempotency: z.object({ key: z.string(), body: z.string() }).exactOptional(),
}) satisfies z.ZodType<OperationRequest, unknown>;

const startedSchema = z.object({ id: z.string(), startedAt: time });

const resultSchema = z.object({
  id: z.string(),
  phase: z
    .string()
    .refine(phase => ended.includes(phase))
    .transform(phase => phase as EndedPhase),
  startedAt: time,
  finishedAt: time,
  summary: fields,
  error: z.object({ code: z.string().transform(code => code as ErrorCode), message: z.string(), hint: z.string() }).exactOptional(),
}) satisfies z.ZodType<OperationResult, unknown>;

/** What lies in the folder of an operation. */
export interface OperationRecord {
  readonly request: OperationRequest;
  readonly startedAt?: string;
  readonly result?: OperationResult;
  /** Its result is there, and cannot be read: why, in words. */
  readonly damage?: string;
}

export function operationKey(id: string, file: string): string {
  return `${operationsPrefix}${id}/${file}`;
}

/** Two lines: the content and its SHA-256. STORE_EXISTS when it was written before. */
export async function putOperationFile(
  { store }: Repository,
  id: string,
  file: OperationFile,
  content: object,
  options: CallOptions = {},
): Promise<void> {
  const line = JSON.stringify(content);
  await store.put(operationKey(id, file), joinLines(line, digestLine(Buffer.from(line))), withSignal(options));
}

/**
 * Undefined where there is no request (any more). BACKUP_CORRUPT when the request was altered; of the other files that is told by `damage`, or
 * by a `startedAt` that is the time of the request.
 */
export async function readOperation(repository: Repository, id: string, options: CallOptions = {}): Promise<OperationRecord | undefined> {
  const request = await readFile(repository, id, 'request.json', requestSchema, options);
  if (request === undefined) return undefined;
  if (request.id !== id)
    throw new HoldfastError('BACKUP_CORRUPT', `${operationKey(id, 'request.json')} is of another operation, ${request.id}`);
  const [started, result] = await Promise.all([
    readOrDamage(readFile(repository, id, 'started.json', startedSchema, options)),
    readOrDamage(readFile(repository, id, 'result.json', resultSchema, options)),
  ]);
  return {
    request,
    ...(started !== undefined && { startedAt: 'damage' in started ? request.createdAt : started.startedAt }),
    ...(result !== undefined && ('damage' in result ? result : { result })),
  };
}

async function readOrDamage<T>(reading: Promise<T>): Promise<T | { readonly damage: string }> {
  try {
    return await reading;
  } catch (thrown) {
    if (isCode(thrown, 'BACKUP_CORRUPT')) return { damage: thrown.message };
    throw thrown;
  }
}

export async function readOperationRequest(
  repository: Repository,
  id: string,
  options: CallOptions = {},
): Promise<OperationRequest | undefined> {
  return readFile(repository, id, 'request.json', requestSchema, options);
}

export async function readOperationResult(
  repository: Repository,
  id: string,
  options: CallOptions = {},
): Promise<OperationResult | undefined> {
  return readFile(repository, id, 'result.json', resultSchema, options);
}

async function readFile<T>(
  { store }: Repository,
  id: string,
  file: OperationFile,
  schema: z.ZodType<T, unknown>,
  options: CallOptions,
): Promise<T | undefined> {
  const key = operationKey(id, file);
  const bytes = await readBytes(store, key, maxRecordBytes, options);
  if (bytes === undefined) return undefined;
  const { content, proof } = splitLines(bytes, key);
  if (digestLine(content) !== proof) throw new HoldfastError('BACKUP_CORRUPT', `${key} does not match its digest`);
  const parsed = schema.safeParse(parseLine(content, key));
  if (!parsed.success) throw new HoldfastError('BACKUP_CORRUPT', `${key} is malformed: ${firstIssue(parsed.error)}`);
  return parsed.data;
}

/**
 * Ids in ascending order, which is that of time; with `since` only those of operations that were made then or later. Also of a folder that is
 * empty: whoever reads it finds no request, while looking into each of thousands took a scheduler most of its time.
 */
export async function* operationIds({ store }: Repository, options: CallOptions & { readonly since?: Date } = {}): AsyncGenerator<string> {
  const from = options.since === undefined ? {} : { startAfter: stampOf(options.since) };
  for await (const name of store.listNames(operationsPrefix, { ...from, ...withSignal(options), mayBeEmpty: true })) {
    const id = name.endsWith('/') ? name.slice(0, -1) : '';
    if (setIdPattern.test(id)) yield id;
  }
}

/** Which files each operation has, by one listing. */
export async function operationFolders({ store }: Repository, options: CallOptions = {}): Promise<Map<string, Set<string>>> {
  const folders = new Map<string, Set<string>>();
  for await (const { key } of store.list(operationsPrefix, withSignal(options))) {
    const [id = '', file = ''] = key.slice(operationsPrefix.length).split('/');
    if (!setIdPattern.test(id)) continue;
    const files = folders.get(id) ?? new Set<string>();
    folders.set(id, files.add(file));
  }
  return folders;
}

/** `log-0001.ndjson` */
export function logName(part: number): string {
  return `log-${String(part).padStart(4, '0')}.ndjson`;
}

/** `resumed-0001.json`: another process took it up again, for the first time. */
export function resumedName(time: number): OperationFile {
  return `resumed-${String(time).padStart(4, '0')}.json`;
}

/** How many log parts and resumptions there are among the files of an operation. */
export function countFiles(files: Iterable<string>): { readonly logParts: number; readonly resumes: number } {
  const names = [...files];
  return {
    logParts: names.filter(name => /^log-\d{4,}\.ndjson$/.test(name)).length,
    resumes: names.filter(name => /^resumed-\d{4,}\.json$/.test(name)).length,
  };
}

export async function putLogPart(
  { store }: Repository,
  id: string,
  part: number,
  lines: readonly OperationLogLine[],
  options: CallOptions = {},
): Promise<void> {
  const text = lines.map(line => `${JSON.stringify(line)}\n`).join('');
  await store.put(operationKey(id, logName(part)), Buffer.from(text), withSignal(options));
}

/** In order, of the first `parts` parts where that is given; a line that was altered beyond reading is left out. */
export async function* readLog(
  repository: Repository,
  id: string,
  options: CallOptions & { readonly parts?: number | undefined } = {},
): AsyncGenerator<OperationLogLine> {
  for (let part = 1; part <= (options.parts ?? Number.POSITIVE_INFINITY); part++) {
    const bytes = await readBytes(repository.store, operationKey(id, logName(part)), maxLogBytes, options);
    if (bytes === undefined) return;
    for (const text of bytes.toString('utf8').split('\n')) {
      const line = logLine(text);
      if (line !== undefined) yield line;
    }
  }
}

const logSchema = z.object({ at: time, level: z.enum(['info', 'warn', 'error']), message: z.string() });

function logLine(text: string): OperationLogLine | undefined {
  try {
    return logSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

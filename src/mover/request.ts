import * as z from 'zod';
import type { MoverRequest } from '../domain/mover.ts';
import { MoverFault } from './fault.ts';

const text = z.string().min(1);
// An argument that begins with a dash would be an option of restic.
const word = text.regex(/^[^-]/, 'must not begin with -');
const path = text.regex(/^\/(?!.*(^|\/)\.\.?(\/|$))/, 'must be absolute, without . and ..');
const id = z.string().regex(/^[0-9a-f]{64}$/, 'must be the 64 hex digits of a snapshot');

const common = {
  repository: word,
  options: z.array(word),
  tuning: z.object({
    compression: z.enum(['off', 'fastest', 'auto', 'better', 'max']),
    connections: z.int().min(1).max(256),
    readConcurrency: z.int().min(1).max(256),
    packSize: z.int().min(4).max(128),
  }),
};
const volume = { mode: z.enum(['Filesystem', 'Block']), path };

const requestSchema = z.discriminatedUnion('action', [
  z.object({
    ...common,
    action: z.literal('backup'),
    ...volume,
    host: word,
    tags: z.array(word),
    time: z.iso.datetime(),
    live: z.boolean().exactOptional(),
  }),
  z.object({
    ...common,
    action: z.literal('restore'),
    ...volume,
    snapshot: id,
    include: z.array(path),
    deleteOthers: z.boolean(),
    onlyEmpty: z.boolean().exactOptional(),
  }),
  z.object({ ...common, action: z.literal('forget'), snapshots: z.array(id), prune: z.boolean() }),
  z.object({ ...common, action: z.literal('check'), subset: word.exactOptional() }),
  z.object({ action: z.literal('bind') }),
]) satisfies z.ZodType<MoverRequest, unknown>;

/** Throws a MoverFault that names what is wrong with the text. */
export function parseRequest(text: string): MoverRequest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new MoverFault('failed', 'the request is not JSON');
  }
  const parsed = requestSchema.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(issue => `${issue.path.join('.') || 'request'}: ${issue.message}`);
    throw new MoverFault('failed', `the request is wrong: ${problems.join('; ')}`);
  }
  const request = parsed.data;
  if (
    request.action === 'restore' &&
    request.mode === 'Block' &&
    (request.include.length > 0 || request.deleteOthers || request.onlyEmpty)
  ) {
    throw new MoverFault('failed', 'the request is wrong: a block volume is restored whole');
  }
  if (request.action === 'restore' && request.include.length > 0 && request.deleteOthers) {
    throw new MoverFault('failed', 'the request is wrong: deleteOthers goes with a whole restore only');
  }
  return request;
}

import type { FastifyInstance, FastifyRequest } from 'fastify';
import './request-state.ts';
import { HoldfastError } from '../domain/errors.ts';
import { takeIdentityBytes } from './identity-bytes.ts';

/**
 * Makes the server read JSON bodies of up to `limit` bytes and nothing else. The identity in a body never becomes a string: its bytes are put
 * aside in `request.held`, and everything that was read is wiped.
 */
export function acceptJsonBodies(app: FastifyInstance, limit: number): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', async (request: FastifyRequest, payload: NodeJS.ReadableStream) => {
    const body = await readWhole(request, payload, limit);
    try {
      const identity = takeIdentityBytes(body);
      if (identity !== undefined) request.held.identity = identity;
      return parsed(body);
    } finally {
      body.fill(0);
    }
  });
}

/** REQUEST_TOO_LARGE as soon as it is known. */
async function readWhole(request: FastifyRequest, payload: NodeJS.ReadableStream, limit: number): Promise<Buffer> {
  const tooLarge = () => new HoldfastError('REQUEST_TOO_LARGE', `the body is larger than ${limit} bytes`);
  if (request.headers['content-encoding'] !== undefined && request.headers['content-encoding'] !== 'identity') {
    throw new HoldfastError('MEDIA_TYPE_UNSUPPORTED', 'the body is compressed');
  }
  if (Number(request.headers['content-length']) > limit) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    // The error handler answers on this connection, so that the request must not be destroyed here.
    for await (const chunk of (payload as NodeJS.ReadableStream & import('node:stream').Readable).iterator({ destroyOnReturn: false })) {
      const bytes = Buffer.from(chunk as Buffer);
      (chunk as Buffer).fill(0);
      chunks.push(bytes);
      size += bytes.length;
      if (size > limit) throw tooLarge();
    }
    return Buffer.concat(chunks, size);
  } catch (thrown) {
    if (thrown instanceof HoldfastError) throw thrown;
    throw new HoldfastError('REQUEST_INVALID', 'the body broke off', { cause: thrown });
  } finally {
    for (const chunk of chunks) chunk.fill(0);
  }
}

/** The parser’s own message would quote the body. */
function parsed(body: Buffer): unknown {
  if (body.length === 0) throw new HoldfastError('REQUEST_INVALID', 'the body is empty; send at least {}');
  const text = body.toString('utf8');
  try {
    // Rarely there at all, so that the slower parser is rarely asked.
    return /__proto__|\\u005f/i.test(text) ? JSON.parse(text, refusePrototype) : JSON.parse(text);
  } catch {
    throw new HoldfastError('REQUEST_INVALID', 'the body is not valid JSON');
  }
}

/** A field of this name would be lost on the way, or worse. */
function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new SyntaxError('__proto__ is no field');
  return value;
}

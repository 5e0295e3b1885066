import * as fc from 'fast-check';
import { fastify } from 'fastify';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../domain/errors.ts';
import { createLogger, type LoggerOptions } from './logger.ts';

function logged(changes: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const now = () => new Date('2026-11-23T02:00:05.123Z');
  const log = createLogger({ level: 'info', format: 'json', now, write: line => lines.push(line), ...changes });
  return { log, lines, text: () => lines.join('') };
}

const identity = `AGE-SECRET-KEY-1${'Q7ZL'.repeat(14)}`;
const pem = '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIPlanted\n-----END PRIVATE KEY-----';
const traces = ['Q7ZLQ7ZL', 'Planted', 'hunter2'];

describe('the log', () => {
  it('is one JSON document a line, with constant message, level, time and fields', () => {
    const { log, lines } = logged({ fields: { service: 'holdfast' } });
    log.info({ objects: 12_340, tier: 'daily' }, 'set written');
    expect(lines).toHaveLength(1);
    expect(lines[0]!.endsWith('\n')).toBe(true);
    const fields = { service: 'holdfast', objects: 12_340, tier: 'daily', msg: 'set written' };
    expect(JSON.parse(lines[0]!)).toEqual({ level: 'info', time: '2026-11-23T02:00:05.123Z', ...fields });
  });

  it('tells people no stack of an error that says what to do, and programs all', () => {
    const errors = [new HoldfastError('STORE_FULL', 'no room'), new HoldfastError('INTERNAL', 'a defect')];
    const written = (format: 'text' | 'json') => {
      const { log, lines } = logged({ format });
      for (const err of errors) log.error({ err }, 'it failed');
      return lines.map(line => /logger\.test/.test(line));
    };
    expect(written('text')).toEqual([false, true]);
    expect(written('json')).toEqual([true, true]);
  });

  it('is plain text where people read it, and foreign text stays on its line', () => {
    const { log, lines } = logged({ format: 'text' });
    log.warn({ tier: 'daily', why: 'two words' }, 'set written\nERROR forged \u001b[2J');
    expect(lines).toEqual(['2026-11-23T02:00:05.123Z WARN  set written\\nERROR forged \\x1b[2J tier=daily why="two words"\n']);
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = logged({ level: 'warn' });
    log.info('not told');
    expect(lines).toEqual([]);
  });

  it('tells code, hint and causes of an error', () => {
    const { log, lines } = logged();
    const cause = new Error('connect ECONNREFUSED', { cause: new Error(`read ${identity}`) });
    log.error({ err: new HoldfastError('STORE_UNREACHABLE', 'the store does not answer', { cause }) }, 'backup failed');
    const { err } = JSON.parse(lines[0]!);
    expect(err).toMatchObject({
      code: 'STORE_UNREACHABLE',
      message: 'the store does not answer',
      hint: expect.stringContaining('endpoint'),
    });
    expect(err.cause).toMatchObject({ message: 'connect ECONNREFUSED', cause: { message: 'read [redacted]' } });
  });

  it('serves fastify, whose own lines are looked through as well', async () => {
    const { log, text } = logged();
    const app = fastify({ loggerInstance: log });
    app.get('/', async request => {
      request.log.info({ headers: request.headers }, 'request');
      throw new Error(`no: ${pem}`);
    });
    const answer = await app.inject({ url: '/?token=hunter2', headers: { authorization: 'Bearer hunter2hunter2', cookie: 'a=hunter2' } });
    expect(answer.statusCode).toBe(500);
    expect(text()).toContain('[redacted]');
    for (const trace of traces) expect(text()).not.toContain(trace);
    await app.close();
  });

  it('masks secrets in addresses and quoted JSON', () => {
    const { log, text } = logged();
    log.info({ url: 'https://me:hunter2@example.org/x?sig=1&access_token=hunter2' }, 'asked');
    log.info({ body: JSON.stringify({ a: JSON.stringify({ password: 'hunter2' }) }) }, `sent ${JSON.stringify({ token: 'hunter2' })}`);
    expect(text()).not.toContain('hunter2');
    expect(text()).toContain('example.org');
  });

  it('shows no bytes', () => {
    const { log, text } = logged();
    const bytes = Buffer.from(`hunter2 ${identity}`);
    log.info({ buffer: bytes, array: new Uint8Array(bytes), list: [...bytes] }, 'read');
    expect(text()).not.toContain(String(bytes[1]));
    expect(JSON.parse(text())).toMatchObject({ buffer: '[redacted]', array: '[redacted]', list: '[redacted]' });
  });

  it('still tells how many and whether', () => {
    const { log, lines } = logged();
    log.info({ hasToken: true, kinds: [1, 2, 3], notProtected: [] }, 'seen');
    expect(JSON.parse(lines[0]!)).toMatchObject({ hasToken: true, kinds: [1, 2, 3], notProtected: [] });
  });
});

describe('the log, whatever it is given', () => {
  const secretNames = fc.constantFrom(
    'authorization',
    'Authorization',
    'token',
    'idToken',
    'password',
    'identity',
    'clientSecret',
    'cookie',
    'set-cookie',
  );
  const harmless = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant(undefined));
  const noise = fc.string().map(text => text.replaceAll('hunter2', ''));
  const seen = fc.oneof(
    fc
      .tuple(noise, fc.constantFrom(identity, pem, pem.replaceAll('\n', '\\n'), pem.replace(/-----END.*/, '')), noise)
      .map(parts => parts.join(' ')),
    fc.tuple(noise, fc.constantFrom(identity, pem)).map(([text, secret]) => new Error(text, { cause: new Error(`x ${secret}`) })),
  );
  const named = fc.tuple(
    secretNames,
    fc.oneof(fc.constant<unknown>('hunter2'), fc.constant({ deep: ['hunter2'] }), fc.constant(['hunter2'])),
  );
  const planted = fc.oneof(
    seen,
    named.map(([name, value]) => ({ [name]: value })),
  );
  const nested: fc.Arbitrary<unknown> = fc.letrec<{ node: unknown }>(tie => ({
    node: fc.oneof(
      { depthSize: 'medium' },
      planted,
      harmless,
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'err', 'error', 'cause', 'req', 'msg', 'toJSON', 'level'), tie('node'), { maxKeys: 3 }),
    ),
  })).node;

  it('never shows a planted secret, however deep it lies', () => {
    const formats = fc.constantFrom('json' as const, 'text' as const);
    fc.assert(
      fc.property(formats, nested, planted, nested, (format, inside, certain, bound) => {
        const { log, text } = logged({ format });
        const message = typeof certain === 'string' ? certain : 'constant';
        log.child({ bound, certain }).error({ inside, err: certain, deeper: { inside: [certain] } }, message);
        if (certain instanceof Error) log.error(certain, 'failed');
        expect(text()).not.toBe('');
        for (const trace of traces) expect(text()).not.toContain(trace);
      }),
      { numRuns: 300 },
    );
  });
});

import { describe, expect, it } from 'vitest';
import type { MoverResult } from '../domain/mover.ts';
import { resultText } from './result.ts';

const failed = (message: string): MoverResult => ({ ok: false, action: 'backup', code: 'incomplete', message, durationMs: 7 });

describe('a result', () => {
  it('of success is said as it is', () => {
    const result: MoverResult = { ok: true, action: 'backup', snapshot: 'a'.repeat(64), files: 1, bytes: 2, addedBytes: 3, durationMs: 4 };
    expect(JSON.parse(resultText(result, []))).toEqual(result);
  });

  it.each([
    ['letters', 'x'.repeat(100_000)],
    ['control characters, which JSON makes long', '\u0001'.repeat(100_000)],
    ['quotes', '"'.repeat(100_000)],
    ['letters of four bytes', '🦊'.repeat(50_000)],
  ])('fits into a termination message, whole as JSON, with many %s', (_, message) => {
    const text = resultText(failed(message), []);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4_096);
    expect(JSON.parse(text)).toMatchObject({ ok: false, code: 'incomplete', durationMs: 7 });
    expect((JSON.parse(text) as { message: string }).message.isWellFormed()).toBe(true);
  });

  it('never shows a secret', () => {
    const text = resultText(failed('Get "http://minio/?key=AKIA1&secret=s3cr3t": no. s3cr3t'), ['AKIA1', 's3cr3t']);
    expect(text).not.toMatch(/AKIA1|s3cr3t/);
    expect(text).toContain('***');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newSetId, setIdPattern, setTime } from './set-id.ts';

const tier = fc.stringMatching(/^[a-z0-9]{1,8}(-[a-z0-9]{1,8})?$/);
const time = fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true });
const random = fc.uint8Array({ minLength: 4, maxLength: 4 });

describe('id of a set', () => {
  it('carries its time to the second, its tier, and sorts by time', () => {
    fc.assert(
      fc.property(time, time, tier, random, (a, b, name, bytes) => {
        const id = newSetId(a, name, bytes);
        expect(setIdPattern.exec(id)?.[2]).toBe(name);
        expect(setTime(id)?.getTime()).toBe(Math.floor(a.getTime() / 1000) * 1000);
        const later = newSetId(b, name, bytes);
        if (Math.floor(a.getTime() / 1000) < Math.floor(b.getTime() / 1000)) expect(id < later).toBe(true);
      }),
    );
  });

  it('is nothing else', () => {
    for (const text of [
      '',
      'latest',
      '2026-11-20',
      '20261123T020000Z',
      '20261123T020000Z-Daily-k3f9',
      '../20261123T020000Z-daily-k3f9',
      '20269923T020000Z-daily-k3f9',
    ]) {
      expect(setTime(text), text).toBeUndefined();
    }
  });
});

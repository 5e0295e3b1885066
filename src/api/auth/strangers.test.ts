import { describe, expect, it } from 'vitest';
import { addressKey, createStrangers } from './strangers.ts';

function strangers(most = 3) {
  let at = Date.parse('2026-11-23T00:00:00Z');
  const limit = createStrangers(most, { now: () => new Date(at) });
  const fail = (address: string, token?: string) => limit.attempt(address, token)('bad');
  return { limit, fail, pass: (ms: number) => (at += ms) };
}

describe('strangers', () => {
  it('may fail so many times a minute, each address for itself', () => {
    const { limit, fail, pass } = strangers();
    for (let i = 0; i < 3; i++) fail('10.0.0.1', `random-${i}`);
    pass(20_000);
    expect(limit.refused('10.0.0.1', 'random-4')).toBe(40_000);
    expect(limit.refused('10.0.0.1', undefined)).toBe(40_000);
    expect(limit.refused('10.0.0.2', 'random-4')).toBeUndefined();
    pass(40_000);
    expect(limit.refused('10.0.0.1', 'random-4')).toBeUndefined();
  });

  it('behind one proxy with others keep nobody out whose token was good', () => {
    const { limit, fail, pass } = strangers();
    limit.attempt('10.0.0.1', 'alice')('good');
    for (let i = 0; i < 5; i++) fail('10.0.0.1', `random-${i}`);
    expect(limit.refused('10.0.0.1', 'alice')).toBeUndefined();
    expect(limit.refused('10.0.0.1', 'bob')).toBeGreaterThan(0);
    pass(15 * 60_000);
    for (let i = 0; i < 3; i++) fail('10.0.0.1', `random-${i}`);
    expect(limit.refused('10.0.0.1', 'alice')).toBeGreaterThan(0);
  });

  it('have no more than so many looked at at a time, and what nobody could tell is no failure', () => {
    const { limit } = strangers();
    const ends = [1, 2, 3].map(i => limit.attempt('10.0.0.1', `random-${i}`));
    expect(limit.refused('10.0.0.1', 'random-4')).toBe(1_000);
    for (const end of ends) end('unknown');
    expect(limit.refused('10.0.0.1', 'random-4')).toBeUndefined();
  });

  it('are one where their addresses are of one network of IPv6', () => {
    expect(addressKey('2001:db8::1')).toBe(addressKey('2001:db8:0:0:ffff::2'));
    expect(addressKey('2001:db8:0:1::1')).not.toBe(addressKey('2001:db8::1'));
    expect(addressKey('::ffff:10.0.0.1')).toBe('::ffff:10.0.0.1');
    expect(addressKey('fe80::1%eth0')).toBe('fe80:0:0:0');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../domain/duration.ts';
import type { Period } from '../domain/policy.ts';
import { address, formatPeriod, oneOf, parseAddress, period, secretUrl, share, size, valueKinds } from './values.ts';

describe('durations', () => {
  it.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['90d', 7_776_000_000],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', '10', '10 m', '1y', 'm', '-5s', '1.5h'])('%j is none', text => expect(parseDuration(text)).toBeUndefined());

  it('are written so that they are read as the same', () => {
    fc.assert(
      fc.property(fc.nat(), ms => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
    expect([0, 1500, 93_600_000, 7_776_000_000, 86_400_000].map(formatDuration)).toEqual(['0s', '1s500ms', '26h', '90d', '24h']);
  });
});

describe('periods', () => {
  it('are written so that they are read as the same', () => {
    const units: fc.Arbitrary<Period['unit']> = fc.constantFrom('hour', 'day', 'week', 'month', 'year');
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99_999 }), units, (count, unit) => {
        expect(period.parse(formatPeriod({ count, unit }))).toEqual({ count, unit });
      }),
    );
  });
});

describe('values', () => {
  it('of size are read and written with their unit', () => {
    const show = valueKinds.get(size)?.show;
    expect(['512KiB', '1MiB', '2GiB', '1000', 7].map(text => size.parse(text))).toEqual([524_288, 1_048_576, 2_147_483_648, 1000, 7]);
    expect([524_288, 1_048_576, 1000].map(bytes => show?.(bytes))).toEqual(['512KiB', '1MiB', '1000']);
  });

  it('of share are read as a fraction, and written as percent', () => {
    expect(['25%', '0.5 %', '100%', 0.25].map(text => share.parse(text))).toEqual([0.25, 0.005, 1, 0.25]);
    for (const text of ['101%', '0%', '25', 'half']) expect(share.safeParse(text).success, text).toBe(false);
    expect([0.07, 0.1, 0.25, 1].map(value => valueKinds.get(share)?.show?.(value))).toEqual(['7%', '10%', '25%', '100%']);
  });

  it('of address have a host, a port, or a port alone', () => {
    expect(['localhost:80', ':0', '[fe80::1]:443', '0.0.0.0:65535'].map(parseAddress)).toEqual([
      { host: 'localhost', port: 80 },
      { host: '', port: 0 },
      { host: 'fe80::1', port: 443 },
      { host: '0.0.0.0', port: 65_535 },
    ]);
    for (const text of ['localhost', '80', '::1:80', 'a:b', 'a:65536', 'http://a:80'])
      expect(address.safeParse(text).success, text).toBe(false);
  });

  it('that are secret addresses show their host alone', () => {
    expect(valueKinds.get(secretUrl)?.show?.('https://someone:pass@hooks.example/T00/B00/xyz?token=1')).toBe('https://hooks.example/…');
  });

  it('of a choice name what there is', () => {
    expect(oneOf(['a', 'b', 'c']).safeParse('d').error?.issues[0]?.message).toBe('must be a, b or c');
  });
});

import { describe, expect, it } from 'vitest';
import { manualTime } from '../../test/helpers/manual-time.ts';
import { type ErrorCode, HoldfastError } from '../domain/errors.ts';
import { persistently } from './persistently.ts';

const hourMs = 3_600_000;

/** Work that fails with these codes, one a try, and then succeeds. */
function begin(...codes: readonly ErrorCode[]) {
  const time = manualTime();
  const stop = new AbortController();
  const said: unknown[] = [];
  const left = [...codes];
  let tries = 0;
  const log = { info: () => {}, warn: () => {}, error: (fields: object, message: string) => void said.push({ ...fields, message }) };
  const ended = persistently({ log, runtime: time }, stop.signal, 'it could not be done', async () => {
    tries++;
    const code = left.shift();
    if (code !== undefined) throw new HoldfastError(code, 'it fails');
  }).then(
    () => 'ended',
    (thrown: unknown) => thrown,
  );
  return { time, stop, said, ended, tries: () => tries };
}

describe('work that is done persistently', () => {
  it('is done once where it succeeds', async () => {
    const { ended, tries, said } = begin();
    expect([await ended, tries(), said]).toEqual(['ended', 1, []]);
  });

  it('is tried again, after twice the time each time and then every minute, and each failure is told', async () => {
    const { time, ended, tries, said } = begin(...Array.from({ length: 9 }, () => 'STORE_UNREACHABLE' as const));
    const waits: number[] = [];
    for (await time.advance(0); time.sleeping().length > 0; await time.advance(waits.at(-1)!)) waits.push(...time.sleeping());
    expect(await ended).toBe('ended');
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map(seconds => seconds * 1_000));
    expect(tries()).toBe(10);
    expect(said).toHaveLength(9);
    expect(said[0]).toMatchObject({ message: 'it could not be done', err: { code: 'STORE_UNREACHABLE' } });
  });

  it('is not given up where trying again has little chance: somebody may grant the right that is missing', async () => {
    const { time, ended, tries } = begin('CLUSTER_FORBIDDEN', 'STORE_FULL', 'INTERNAL');
    await time.advance(hourMs);
    expect([await ended, tries()]).toEqual(['ended', 4]);
  });

  it('is over with the term', async () => {
    const { time, ended, tries, said } = begin('STORE_UNREACHABLE', 'NOT_LEADER', 'STORE_UNREACHABLE');
    await time.advance(hourMs);
    expect(await ended).toMatchObject({ code: 'NOT_LEADER' });
    expect([tries(), said.length]).toEqual([2, 1]);
  });

  it('ends at once, and without a word, when it is told to while it waits', async () => {
    const { time, stop, ended, tries, said } = begin('STORE_UNREACHABLE', 'STORE_UNREACHABLE');
    await time.advance(0);
    stop.abort();
    expect(await ended).toBe('ended');
    expect([tries(), said.length, time.sleeping()]).toEqual([1, 1, []]);
  });
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HttpReceiver, startHttpReceiver } from '../../test/helpers/http-receiver.ts';
import { manualTime } from '../../test/helpers/manual-time.ts';
import { listeningLog } from '../../test/helpers/notices.ts';
import type { ObjectiveStatus } from '../schedule/objectives.ts';
import { runDeadMansSwitch, whatIsWrong } from './dead-mans-switch.ts';
import { addressOf } from './secret-file.ts';

const minute = 60_000;
let receiver: HttpReceiver;
beforeEach(async () => {
  receiver = await startHttpReceiver();
});
afterEach(() => receiver.close());

const status = (changes: Partial<ObjectiveStatus> = {}): ObjectiveStatus => ({
  ...{ policy: 'platform', objectives: { rpoMs: 1 }, state: 'met', message: '', notProtected: [] },
  lastComplete: { set: 's', at: '2026-11-23T02:00:00Z' },
  ...changes,
});
const { lastComplete: _, ...withoutSet } = status({ state: 'unknown' });
const well = { isLeading: true, isStoreReachable: true, objectives: [status(), status({ tier: 'daily', state: 'unknown' })] };

describe('all is well', () => {
  it('in the leader, while the location answers and no objective is breached', () => {
    expect(whatIsWrong(well)).toEqual([]);
    expect(whatIsWrong({ ...well, objectives: [status({ state: 'at-risk' })] })).toEqual([]);
    expect(whatIsWrong({ ...well, isLeading: false })).toHaveLength(1);
    expect(whatIsWrong({ ...well, isStoreReachable: false })).toHaveLength(1);
    expect(whatIsWrong({ ...well, objectives: [...well.objectives, status({ tier: 'weekly', state: 'breached' })] })).toEqual([
      'platform/weekly breaches an objective',
    ]);
  });

  it('never where nothing is protected', () => {
    expect(whatIsWrong({ ...well, objectives: [] })).toEqual(['there is no policy']);
    expect(whatIsWrong({ ...well, objectives: [withoutSet] })).toEqual(['platform has no complete set']);
  });
});

describe('the dead man’s switch', () => {
  it('is pressed every so often while all is well, and only then', async () => {
    const [time, log, stop] = [manualTime(), listeningLog(), new AbortController()];
    let wrong: string[] = [];
    const ended = runDeadMansSwitch({
      ...{ address: addressOf({ url: receiver.url }), everyMs: 5 * minute, runtime: time, log, signal: stop.signal },
      whatIsWrong: () => wrong,
    });
    /** To the next time at which it looks. */
    const next = async () => {
      while (time.sleeping().length === 0) await time.advance(0);
      await time.advance(5 * minute);
    };
    await receiver.received(1);
    await next();
    await receiver.received(2);
    expect(receiver.calls[1]).toMatchObject({ method: 'GET', path: '/hook/s3cr3t-path?token=s3cr3t-query' });
    wrong = ['platform breaches an objective'];
    await next();
    await next();
    await next();
    expect(receiver.calls).toHaveLength(2);
    expect(log.lines).toEqual(['warn the dead man’s switch is silent {"reasons":["platform breaches an objective"]}']);
    wrong = [];
    await next();
    await receiver.received(3);
    stop.abort();
    await ended;
  });

  it('goes on where its address does not answer, and shows only the host', async () => {
    const [time, log, stop] = [manualTime(), listeningLog(), new AbortController()];
    receiver.answer = 500;
    const address = addressOf({ url: receiver.url });
    const ended = runDeadMansSwitch({
      ...{ address, everyMs: minute, runtime: time, log, signal: stop.signal, whatIsWrong: () => [] },
    });
    while (time.sleeping().length === 0) await time.advance(0);
    expect(log.text()).toContain(`${receiver.host} answered 500`);
    expect(log.text()).not.toContain('s3cr3t');
    receiver.answer = 200;
    await time.advance(minute);
    await receiver.received(2);
    stop.abort();
    await ended;
  });
});

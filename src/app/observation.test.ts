import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HttpReceiver, startHttpReceiver } from '../../test/helpers/http-receiver.ts';
import { manualTime } from '../../test/helpers/manual-time.ts';
import type { ServiceConfig } from '../config/service.ts';
import type { ObjectiveStatus } from '../schedule/objectives.ts';
import { type Attached, openObservation } from './observation.ts';

const minute = 60_000;
let first: HttpReceiver;
let second: HttpReceiver;
beforeEach(async () => {
  [first, second] = [await startHttpReceiver(), await startHttpReceiver()];
});
afterEach(async () => {
  await first.close();
  await second.close();
});

const configured = (deadMansSwitch: { readonly url?: string; readonly every?: number }): ServiceConfig =>
  ({
    ...{ logs: { level: 'error', format: 'json' }, leaderElection: { namespace: 'holdfast', name: 'holdfast' } },
    notifications: { deadMansSwitch },
  }) as unknown as ServiceConfig;

const met: ObjectiveStatus = {
  ...{ policy: 'platform', objectives: { rpoMs: 1 }, state: 'met', message: '', notProtected: [] },
  lastComplete: { set: 's', at: '2026-11-23T02:00:00Z' },
};

/** Of a service that leads, and with which all is well. */
function observing(service: ServiceConfig) {
  const [time, stop] = [manualTime(), new AbortController()];
  const observation = openObservation(service, time);
  observation.attach({
    service,
    world: { runtime: time, term: () => ({}), cluster: {}, repository: { store: {} }, operations: { subscribe: () => {} } },
    watch: { storeReachable: () => true, objectives: () => [met] },
    ...{ identity: 'holdfast-0', signal: stop.signal },
  } as unknown as Attached);
  /** To when the switch has done what it does at once. */
  const rested = async () => {
    while (time.sleeping().length === 0) await time.advance(0);
  };
  return { ...{ observation, time, rested }, stop: () => stop.abort() };
}

describe('a changed dead man’s switch', () => {
  it('counts at once: the new address is asked for, and the one of before never again', async () => {
    const { observation, time, rested, stop } = observing(configured({ url: first.url, every: 5 * minute }));
    await first.received(1);
    await rested();
    observation.onConfig(configured({ url: second.url, every: minute }));
    await second.received(1);
    await rested();
    expect(time.sleeping()).toEqual([minute]);
    await time.advance(minute);
    await second.received(2);
    await rested();
    stop();
    expect(first.calls).toHaveLength(1);
  });

  it('goes on as it was where something else was changed, is silent once it has no address, and is heard once it has one', async () => {
    const { observation, time, rested, stop } = observing(configured({ url: first.url, every: 5 * minute }));
    await first.received(1);
    await rested();
    observation.onConfig(configured({ url: first.url, every: 5 * minute }));
    await time.advance(0);
    expect([first.calls.length, time.sleeping()]).toEqual([1, [5 * minute]]);
    observation.onConfig(configured({ every: 5 * minute }));
    await time.advance(0);
    expect(time.sleeping()).toEqual([]);
    observation.onConfig(configured({ url: second.url, every: 5 * minute }));
    await second.received(1);
    stop();
    expect(first.calls).toHaveLength(1);
  });
});

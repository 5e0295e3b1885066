import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeRetentionLocation, now, type RetentionLocation } from '../../test/helpers/retention-location.ts';
import { platform } from '../../test/helpers/retention-world.ts';
import type { Operation } from '../domain/operation.ts';
import { hold } from '../repository/holds.ts';
import { openLiveCatalog } from '../repository/live-catalog.ts';
import { openPlanner } from './retention-planner.ts';
import type { World } from './world.ts';

let at: RetentionLocation;
beforeEach(async () => {
  at = await makeRetentionLocation();
});
afterEach(() => at.remove());

const signal = () => AbortSignal.timeout(10_000);

/** Of a service that only looks: its clock, its rules and what it does are the test's. */
async function planning() {
  const catalog = openLiveCatalog(at.repository);
  await catalog.refresh();
  const state = { at: now.getTime(), policies: [platform], active: [] as Operation[] };
  const world = {
    ...{ repository: at.repository, catalog, keys: { trusted: [] } },
    runtime: { now: () => new Date(state.at) },
    rules: () => ({ policies: state.policies, maxShare: 1 }),
    operations: { active: () => state.active, list: async () => [] },
    home: { identity: { uid: 'a1', server: 'https://cluster' }, since: new Date(0) },
  } as unknown as World;
  return { planner: openPlanner(world), state, catalog };
}

it('a plan is made once for as long as nothing but half a minute changes', async () => {
  const id = await at.taken('2026-11-23');
  const { planner, state } = await planning();
  const first = await planner.now(signal());
  expect(first.decisions.get(id)).toMatchObject({ set: id, action: 'keep' });
  state.at += 29_000;
  expect((await planner.now(signal())).plan).toBe(first.plan);
  state.at += 1_000;
  const later = await planner.now(signal());
  expect(later.plan).toEqual({ ...first.plan, at: new Date(state.at).toISOString() });
  // A clock that was put back.
  state.at -= 60_000;
  expect((await planner.now(signal())).plan.at).toBe(new Date(state.at).toISOString());
});

it('sets, holds, rules and restores that come meanwhile count at once', async () => {
  const old = await at.taken('2026-01-01');
  const { planner, state, catalog } = await planning();
  const action = async () => (await planner.now(signal())).decisions.get(old)?.action;
  // The only complete one is kept whatever its age.
  expect(await action()).toBe('keep');
  await at.taken('2026-11-23');
  await catalog.refresh();
  expect(await action()).toBe('delete');
  state.active = [{ request: { kind: 'restore', subject: old } } as Operation];
  expect(await action()).toBe('keep');
  state.active = [];
  expect(await action()).toBe('delete');
  await hold(at.repository, old, at.alice());
  expect(await action()).toBe('keep');
  const held = (await planner.now(signal())).decisions.get(old)!.reasons;
  expect(held.some(reason => reason.startsWith('held by alice'))).toBe(true);
  state.policies = [];
  expect((await planner.now(signal())).decisions.get(old)!.reasons).not.toEqual(held);
});

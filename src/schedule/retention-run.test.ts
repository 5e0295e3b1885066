import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allFiles, collect } from '../../test/contract/repository-fixture.ts';
import { firesOf, makeRetentionLocation, now, type RetentionLocation } from '../../test/helpers/retention-location.ts';
import { platform } from '../../test/helpers/retention-world.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import { HoldfastError } from '../domain/errors.ts';
import { listSets } from '../repository/catalog.ts';
import { beginDeletion, begunDeletions, hold } from '../repository/holds.ts';
import { fileKey, manifestKey } from '../repository/layout.ts';
import { claimKey } from '../repository/run-claim.ts';
import { planRetention } from './retention.ts';
import { type RetentionOutcome, readRetentionPlan } from './retention-run.ts';

const results = ({ items }: RetentionOutcome) => Object.fromEntries(items.map(({ set, result }) => [set, result]));

let at: RetentionLocation;
beforeEach(async () => {
  at = await makeRetentionLocation();
});
afterEach(() => at.remove());

describe('a run', () => {
  it('leaves a set that somebody began to read when its deletion had begun, and can delete it later', async () => {
    const [old] = [await at.taken('2026-01-01'), await at.taken('2026-11-23')];
    let asked = 0;
    // The plan, the last look before the deletion, and the one when nobody can hold the set any more.
    const busy = async () => new Map(++asked === 3 ? [[old, 'being restored by alice']] : []);
    const { items } = await at.run({ busy });
    expect(items).toEqual([{ set: old, result: 'kept', message: 'being restored by alice' }]);
    expect([await begunDeletions(at.repository), at.facts]).toEqual([new Set(), []]);
    expect(results(await at.run())).toEqual({ [old]: 'deleted' });
  });

  it('deletes what the plan lets go, with everything that belongs to it, and nothing else', async () => {
    const [old, kept] = [await at.taken('2026-01-01'), await at.taken('2026-11-23')];
    const before = await allFiles(at.repository.store);
    const outcome = await at.run();
    expect(results(outcome)).toEqual({ [old]: 'deleted' });
    const after = await allFiles(at.repository.store);
    expect([...after.keys()]).toEqual([...before.keys()].filter(key => !key.includes(old) && key !== claimKey(firesOf(old)[0]!)));
    expect([...after].every(([key, bytes]) => bytes.equals(before.get(key)!))).toBe(true);
    expect(await at.visible()).toEqual([kept]);
  });

  it('tells the ledger first, with the reasons', async () => {
    const old = await at.taken('2026-01-01');
    await at.taken('2026-11-23');
    let seen: string[] = [];
    await at.run({
      record: async fact => {
        at.facts.push(fact);
        seen = await at.visible();
      },
    });
    expect(seen).toContain(old);
    expect(at.facts).toEqual([
      {
        action: 'set.deleted',
        actor: { name: 'retention', via: 'service' },
        subject: old,
        details: expect.objectContaining({ reasons: ['daily ended 2026-01-31'], tier: 'daily', phase: 'Completed' }),
      },
    ]);
  });

  it('leaves a set of which the ledger could not be told', async () => {
    const sets = [await at.taken('2026-01-01'), await at.taken('2026-01-02'), await at.taken('2026-11-23')];
    let told = 0;
    const outcome = await at.run({
      record: async () => {
        if (told++ === 0) throw new HoldfastError('STORE_FULL', 'no room');
      },
    });
    expect(outcome.items).toEqual([
      { set: sets[0], result: 'failed', code: 'STORE_FULL', message: 'no room' },
      { set: sets[1], result: 'deleted', message: '' },
    ]);
    expect(await at.visible()).toEqual([sets[0], sets[2]]);
  });

  it('deletes nothing at all beyond its share, not even leftovers, unless told to', async () => {
    for (let day = 1; day <= 5; day++) await at.taken(`2026-01-0${day}`);
    const left = await at.taken('2026-01-06', 'files');
    await at.age(left);
    const before = await at.keysBelow('');
    const outcome = await at.run();
    expect([outcome.plan.blocked !== undefined, outcome.items, await at.keysBelow('')]).toEqual([true, [], before]);
    expect(Object.values(results(await at.run({ limits: { yes: true } })))).toEqual([...Array(4).fill('deleted'), 'cleared']);
  });

  it('carries out the plan that was confirmed, or none', async () => {
    const old = await at.taken('2026-01-01');
    await at.taken('2026-11-23');
    const confirm = (await readRetentionPlan(at.options())).digest;
    await hold(at.repository, old, at.alice());
    await expect(at.run({ confirm })).rejects.toMatchObject({ code: 'PLAN_CHANGED' });
    expect(await at.visible()).toContain(old);
  });

  it('leaves a set that somebody holds, or that is in use, by the time its turn comes', async () => {
    const [held, used] = [await at.taken('2026-01-01'), await at.taken('2026-01-02')];
    await at.taken('2026-11-23');
    let asked = 0;
    const busy = async () => {
      asked += 1;
      if (asked === 2) await hold(at.repository, held, at.alice());
      return new Map(asked > 1 ? [[used, 'being restored']] : []);
    };
    expect((await at.run({ busy })).items).toEqual([
      { set: held, result: 'kept', message: 'held by alice: audit' },
      { set: used, result: 'kept', message: 'being restored' },
    ]);
    expect(at.facts).toEqual([]);
  });

  it('stops before the next delete when another replica leads', async () => {
    await at.taken('2026-01-01');
    await at.taken('2026-11-23');
    const all = await at.keysBelow('backups/');
    const check = () => {
      throw new HoldfastError('NOT_LEADER', 'paused for too long');
    };
    await expect(at.run({ fence: { check } })).rejects.toMatchObject({ code: 'NOT_LEADER' });
    expect(await at.keysBelow('backups/')).toEqual(all);
  });

  it('leaves the claim of a run that another set stands for', async () => {
    const old = await at.taken('2026-01-01');
    const other = await at.taken('2026-11-23');
    const key = claimKey(firesOf(old)[0]!);
    await at.repository.store.delete(key);
    await cp(join(at.dir, manifestKey(other)), join(at.dir, key));
    await at.run();
    expect([await at.visible(), await at.keysBelow('schedule/')]).toEqual([[other], expect.arrayContaining([key])]);
  });
});

describe('a folder without a manifest', () => {
  it('is cleared when nothing was written to it for a day, and the ledger is told', async () => {
    const left = await at.taken('2026-01-01', 'files');
    await at.age(left);
    expect(results(await at.run())).toEqual({ [left]: 'cleared' });
    expect([await at.keysBelow('backups/'), at.facts.map(({ subject }) => subject)]).toEqual([[], [left]]);
  });

  it('is left alone while one of its files is younger, whatever our clock says', async () => {
    const left = await at.taken('2026-01-01', 'files');
    await at.age(left);
    await at.repository.store.put(fileKey(left, 'resources-0099.tar.zst'), Buffer.from('new'));
    expect((await at.run({ runtime: { ...testRuntime, now: () => new Date('2027-11-23T12:00:00Z') } })).items).toEqual([]);
  });

  it('is left alone while a run is at it', async () => {
    const left = await at.taken('2026-01-01', 'files');
    await at.age(left);
    expect(results(await at.run({ busy: async () => new Map([[left, 'being written']]) }))).toEqual({ [left]: 'kept' });
  });

  it('becomes a set when it was claimed', async () => {
    const claimed = await at.taken('2026-11-22', 'claim');
    await at.age(claimed);
    expect((await at.run()).items).toEqual([]);
    expect(await at.visible()).toEqual([claimed]);
  });

  it.each([
    ['names it', (bytes: Buffer) => bytes.subarray(0, bytes.length - 9)],
    ['may name any folder', () => Buffer.from('?')],
  ])('is kept where a damaged claim %s', async (_, damage) => {
    const left = await at.taken('2026-11-22', 'claim');
    await at.age(left);
    const key = claimKey(firesOf(left)[0]!);
    const bytes = (await allFiles(at.repository.store)).get(key)!;
    await at.repository.store.delete(key);
    await at.repository.store.put(key, damage(bytes));
    const outcome = await at.run();
    expect([outcome.items, outcome.notices]).toEqual([[], [expect.stringContaining(key)]]);
  });

  it('leaves nothing of the look at the store’s clock', async () => {
    await at.taken('2026-01-01', 'files');
    await at.repository.store.put('retention/clock-0000', Buffer.from('\n'));
    await at.run();
    expect(await at.keysBelow('retention/')).toEqual([]);
  });
});

describe('a deletion that was begun', () => {
  it('is given up when the set is to stay by now, which can then be held', async () => {
    const old = await at.taken('2026-01-01');
    await at.taken('2026-11-23');
    await beginDeletion(at.repository, old, { ...at.alice(), by: 'retention' });
    await at.run({ policies: [] });
    expect([await at.visible(), await begunDeletions(at.repository)]).toEqual([expect.arrayContaining([old]), new Set()]);
    expect(await hold(at.repository, old, at.alice())).toMatchObject({ by: 'alice' });
  });
});

it('what is read is what the plan says of it', async () => {
  await at.taken('2026-01-01');
  const used = await at.taken('2026-11-22');
  await at.taken('2026-11-23');
  await hold(at.repository, used, at.alice());
  const plan = await readRetentionPlan(at.options());
  const holds = [{ set: used, by: 'alice', reason: 'audit' }];
  expect(plan).toEqual(planRetention({ sets: await collect(listSets(at.repository)), policies: [platform], holds, busy: new Map(), now }));
});

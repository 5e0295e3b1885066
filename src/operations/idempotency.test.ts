import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asked, done, held, type OperationsWorld, openOperationsWorld } from '../../test/helpers/operations.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Submission, Work } from './job.ts';
import type { Operations } from './operations.ts';

const keyed: Submission = { ...asked, idempotency: { key: 'k', body: 'b' } };

describe('operations that are asked for with an idempotency key', () => {
  let world: OperationsWorld;
  let operations: Operations;
  let runs: number;
  const counted: Work = async () => {
    runs++;
    return done;
  };
  beforeEach(async () => {
    world = await openOperationsWorld();
    operations = world.engine();
    runs = 0;
  });
  afterEach(() => world.remove());

  it('are the same operation when asked for twice, also at the same moment and after a restart', async () => {
    const both = await Promise.all([operations.submit(keyed, counted), operations.submit(keyed, counted)]);
    const ids = new Set(both.map(({ operation }) => operation.request.id));
    expect(ids.size).toBe(1);
    expect(both.filter(({ isNew }) => isNew)).toHaveLength(1);
    await operations.ended([...ids][0]!);
    const again = await world.engine().submit(keyed, counted);
    expect(again).toMatchObject({ isNew: false, operation: { phase: 'Completed' } });
    expect(ids).toContain(again.operation.request.id);
    expect(runs).toBe(1);
  });

  it('are refused for another body', async () => {
    await operations.submit(keyed, counted);
    const other = { ...keyed, idempotency: { key: 'k', body: 'other' } };
    await expect(operations.submit(other, counted)).rejects.toMatchObject({ code: 'IDEMPOTENCY_MISMATCH', status: 409 });
  });

  it('are known before anything of the request is looked at', async () => {
    expect(await operations.known({ key: 'k', body: 'b' })).toBeUndefined();
    const { operation } = await operations.submit(keyed, counted);
    expect(await operations.known({ key: 'k', body: 'b' })).toMatchObject({ request: { id: operation.request.id } });
    await expect(operations.known({ key: 'k', body: 'other' })).rejects.toMatchObject({ code: 'IDEMPOTENCY_MISMATCH' });
  });

  it('are one operation while a new term begins', async () => {
    const one = operations.submit(keyed, counted);
    await operations.recover();
    const two = operations.submit(keyed, counted);
    expect((await two).operation.request.id).toBe((await one).operation.request.id);
  });

  it('are new a day later, after a restart or without one', async () => {
    let ahead = 0;
    const now = () => new Date(Date.now() + ahead);
    const long = world.engine({ runtime: { now } });
    const first = await long.submit(keyed, counted);
    ahead = 23 * 3_600_000;
    expect((await long.submit(keyed, counted)).isNew).toBe(false);
    ahead = 25 * 3_600_000;
    const second = await long.submit(keyed, counted);
    expect(second.isNew).toBe(true);
    expect(second.operation.request.id).not.toBe(first.operation.request.id);
    ahead = 50 * 3_600_000;
    expect((await world.engine({ runtime: { now } }).submit(keyed, counted)).isNew).toBe(true);
  });

  it('can be tried again when the first try was not recorded', async () => {
    let fails = 1;
    const shaky = world.engine({
      change: store => ({
        put: async (key, body, options) => {
          if (key.endsWith('request.json') && fails-- > 0) throw new HoldfastError('STORE_UNREACHABLE', 'away');
          return store.put(key, body, options);
        },
      }),
    });
    await expect(shaky.submit(keyed, counted)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    expect((await shaky.submit(keyed, counted)).isNew).toBe(true);
  });

  it('wait for no other one that is still being recorded', async () => {
    const stuck = Promise.withResolvers<void>();
    let first = true;
    const slow = world.engine({
      change: store => ({
        put: async (key, body, options) => {
          if (first) {
            first = false;
            await stuck.promise;
          }
          return store.put(key, body, options);
        },
      }),
    });
    const one = slow.submit(keyed, counted);
    expect((await slow.submit({ ...keyed, idempotency: { key: 'other', body: 'b' } }, counted)).isNew).toBe(true);
    stuck.resolve();
    expect((await one).isNew).toBe(true);
  });

  it('are found although another record is damaged', async () => {
    const { operation } = await operations.submit(keyed, held().work);
    await world.store.put('operations/20991124T020000Z-backup-aaaa/request.json', Buffer.from('{}\n{}\n'));
    expect(await world.engine().submit(keyed, counted)).toMatchObject({ isNew: false, operation: { request: operation.request } });
  });
});

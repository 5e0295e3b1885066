import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asked, held, type OperationsWorld, openOperationsWorld } from '../../test/helpers/operations.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import type { ClaimPlace } from '../domain/claim-request.ts';
import type { Operations } from '../operations/operations.ts';
import { scaleUpLeft } from './scale-up.ts';

const signal = AbortSignal.timeout(60_000);
const place = { namespace: 'agents', claim: 'workspace' };
const restore = (volume: object) => ({ ...asked, kind: 'restore' as const, parameters: { set: 'x', volume } });

describe('what restores have left scaled down when a replica begins to lead', () => {
  let world: OperationsWorld;
  let operations: Operations;
  /** Claims that were spared, each time. */
  let passes: (readonly ClaimPlace[])[];
  beforeEach(async () => {
    world = await openOperationsWorld();
    operations = world.engine();
    passes = [];
  });
  afterEach(() => world.remove());

  const begin = (onPass: () => void = () => {}) => {
    const scaled = {
      scaleUpLeft: async (_signal: AbortSignal, spared: readonly ClaimPlace[]) => {
        passes.push(spared);
        onPass();
        return { scaledUp: [], problems: [] };
      },
    };
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    return scaleUpLeft({ log, operations, runtime: testRuntime }, { volumes: { scaled } }, signal);
  };

  it('is scaled up once', async () => {
    const job = held();
    await operations.submit(restore({ from: place, scaleDown: false }), job.work);
    await job.started;
    await begin();
    expect(passes).toEqual([[]]);
  });

  it('waits for a restore that goes on and scales up by itself, however that ends, and looks again then', async () => {
    const job = held();
    await operations.submit(restore({ from: place, to: { ...place, claim: 'copy' }, scaleDown: true }), job.work);
    await job.started;
    const looked = Promise.withResolvers<void>();
    const begun = begin(looked.resolve);
    await looked.promise;
    expect(passes).toEqual([[{ ...place, claim: 'copy' }]]);
    job.finish();
    await begun;
    expect(passes).toEqual([[{ ...place, claim: 'copy' }], []]);
  });
});

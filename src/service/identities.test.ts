import { beforeEach, describe, expect, it } from 'vitest';
import { generateIdentity } from '../crypto/age.ts';
import type { HeldIdentity } from '../domain/identity.ts';
import { type IdentityWorld, jobWith, withIdentities } from './identities.ts';
import type { Prepared } from './job.ts';

const signal = AbortSignal.timeout(60_000);
let forgotten: number;
let bytes: Buffer;
let seen: readonly HeldIdentity[];
beforeEach(async () => {
  [forgotten, seen] = [0, []];
  bytes = Buffer.from((await generateIdentity()).identity);
});

const world = { identityDir: undefined, forget: () => void forgotten++ } as unknown as IdentityWorld;
const source = () => ({ from: 'value', bytes }) as const;
const keys = () => seen.map(({ key }) => key === undefined);
const prepared = { submission: {}, work: async () => {} } as unknown as Prepared;
const prepare = (then: () => Prepared) => async (identities: readonly HeldIdentity[]) => {
  seen = identities;
  return then();
};
const fail = () => {
  throw new Error('no such set');
};

describe('the identity of a request', () => {
  it('is held for a job until that is released, once, and its bytes are overwritten at once', async () => {
    const job = await jobWith(
      world,
      source(),
      signal,
      prepare(() => prepared),
    );
    expect([bytes.every(byte => byte === 0), keys(), forgotten]).toEqual([true, [false], 0]);
    job.release?.();
    job.release?.();
    expect([keys(), forgotten]).toEqual([[true], 1]);
  });

  it('is let go where the job cannot be made', async () => {
    await expect(jobWith(world, source(), signal, prepare(fail))).rejects.toThrow('no such set');
    expect([keys(), forgotten]).toEqual([[true], 1]);
  });

  it('is let go when the work that it was for has ended or failed, and the request keeps its own', async () => {
    for (const then of [() => prepared, fail]) {
      await withIdentities(world, source(), signal, prepare(then)).catch(() => {});
      expect(keys()).toEqual([true]);
    }
    expect([forgotten, bytes.toString().startsWith('AGE-SECRET-KEY-1')]).toEqual([2, true]);
  });

  it('that is none leaves nothing to forget', async () => {
    (
      await jobWith(
        world,
        undefined,
        signal,
        prepare(() => prepared),
      )
    ).release?.();
    expect([keys(), forgotten]).toEqual([[], 0]);
  });
});

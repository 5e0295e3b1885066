import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asked, done, held, type OperationsWorld, open, openOperationsWorld } from '../../test/helpers/operations.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import type { ClusterIdentity } from '../domain/cluster-identity.ts';

const dayMs = 86_400_000;
const here: ClusterIdentity = { uid: 'cluster-1', server: 'https://10.96.0.1' };
const there: ClusterIdentity = { uid: 'cluster-2', server: 'https://10.96.0.1' };

describe('operations of another cluster in the same repository', () => {
  let world: OperationsWorld;
  beforeEach(async () => {
    world = await openOperationsWorld();
  });
  afterEach(() => world.remove());

  it('are neither taken up nor marked Interrupted: its service may be at work with them', async () => {
    const theirs = world.engine({ cluster: there });
    const job = held();
    const { operation } = await theirs.submit(asked, job.work);
    await job.started;
    const ours = world.engine({ cluster: here });
    const resume = () => ({ work: async () => done });
    expect(await ours.recover(resume)).toMatchObject({ resumed: [], interrupted: [], settled: [] });
    expect((await ours.get(operation.request.id))?.phase).toBe('Running');
    job.finish();
    expect((await theirs.ended(operation.request.id)).phase).toBe('Completed');
  });

  it('are taken up by a service of their own cluster, and those of an older version, which say of none, by any', async () => {
    const dying = (cluster?: ClusterIdentity) => {
      let alive = true;
      const engine = world.engine({ fence: () => (alive ? open : undefined), ...(cluster && { cluster }) });
      const die = () => {
        alive = false;
      };
      return { engine, die };
    };
    const ids: string[] = [];
    for (const { engine, die } of [dying(here), dying()]) {
      const job = held();
      ids.push((await engine.submit(asked, job.work)).operation.request.id);
      await job.started;
      die();
    }
    const { interrupted } = await world.engine({ cluster: here }).recover();
    expect(interrupted.map(({ id }) => id).sort()).toEqual(ids.sort());
    expect(interrupted.map(({ summary }) => summary)).toEqual([{ lost: true }, { lost: true }]);
  });

  it('do not answer for a key that somebody uses here for the first time', async () => {
    const keyed = { ...asked, idempotency: { key: 'k', body: 'b' } };
    const theirs = await world.engine({ cluster: there }).submit(keyed, async () => done);
    const ours = await world.engine({ cluster: here }).submit(keyed, async () => done);
    expect(ours.isNew).toBe(true);
    expect(ours.operation.request.id).not.toBe(theirs.operation.request.id);
    expect((await world.engine({ cluster: here }).submit(keyed, async () => done)).isNew).toBe(false);
  });

  it('are kept for a quarter of a year longer, and then go as they are', async () => {
    const made = new Date('2026-01-01T00:00:00Z');
    const then = { ...testRuntime, now: () => made };
    const theirs = world.engine({ cluster: there, runtime: then });
    const job = held();
    await theirs.submit(asked, job.work);
    await job.started;
    const own = world.engine({ cluster: here, runtime: then });
    await own.ended((await own.submit(asked, async () => done)).operation.request.id);
    const later = world.engine({ cluster: here });
    expect(await later.expire(new Date(made.getTime() + dayMs))).toBe(1);
    expect(await later.expire(new Date(made.getTime() + 90 * dayMs))).toBe(0);
    expect(await later.expire(new Date(made.getTime() + 91 * dayMs))).toBe(1);
    expect(await later.list({ limit: 9 })).toEqual([]);
    job.finish();
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../test/helpers/faulty-store.ts';
import { type Replica, startReplica, timings, untilItsEnd } from '../../test/helpers/leader-replicas.ts';
import { createWorld, type Fate, type World } from '../../test/helpers/leader-world.ts';

/** What befalls the replicas and their server, each followed by some time. */
const event = fc.record({
  what: fc.constantFrom('stop', 'continue', 'terminate', 'delete', 'empty', 'touch', 'away', 'back', 'slow', 'clock', 'start', 'nothing'),
  who: fc.nat({ max: 2 }),
  thenMs: fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 1, max: 30_000 })),
  seed: fc.integer(),
});
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

/** Answers come late, get lost, or never come. */
function slowly(seed: number): () => Fate {
  const random = seededRandom(seed);
  return () => ({
    requestMs: random() * random() * 12_000,
    answerMs: random() * random() * 12_000,
    how: (['answered', 'answered', 'answered', 'lost', 'hangs', 'refused'] as const)[Math.floor(random() * 6)]!,
  });
}

const prompt: Fate = { requestMs: 2, answerMs: 2, how: 'answered' };

function happen(world: World, replicas: readonly Replica[], { what, who, seed }: Event): void {
  const replica = replicas[who]!;
  const { server } = world;
  switch (what) {
    case 'stop':
    case 'continue':
      replica.process.stopped = what === 'stop';
      return;
    case 'terminate':
      replica.stop();
      return;
    case 'delete':
      server.record = undefined;
      return;
    case 'empty':
    case 'touch':
      if (server.record !== undefined && what === 'empty') server.record = { ...server.record, holderIdentity: '' };
      server.revision += 1;
      return;
    case 'away':
      server.fate = () => ({ ...prompt, how: 'refused' });
      return;
    case 'back':
      server.fate = () => prompt;
      return;
    case 'slow':
      server.fate = slowly(seed);
      return;
    case 'clock':
      replica.process.wallOffset = (seededRandom(seed)() - 0.5) * 1e9;
      return;
    default:
  }
}

describe('whatever happens to some replicas, their clocks, their server and the lease', () => {
  it('no two may write at the same moment, terms end when their fence is closed, and in the end one leads', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 3, maxLength: 25 }), async events => {
        const world = createWorld();
        const start = (name: string) =>
          startReplica(world, name, {
            work: async (leadership, process) => {
              await untilItsEnd(leadership);
              await process.runtime.sleep(800);
            },
          });
        const replicas = ['a', 'b', 'c'].map(start);
        const look = (): void => {
          const open = replicas.flatMap(({ terms, process }) =>
            terms.flatMap(term => (isOpen(term.fence) ? [`${process.name} ${term.transitions}`] : [])),
          );
          expect(open.length, open.join(', ')).toBeLessThanOrEqual(1);
        };
        for (const one of events) {
          if (one.what === 'start') replicas.push(start(`new ${replicas.length}`));
          happen(world, replicas, one);
          await world.advance(one.thenMs, look);
        }
        const terminated = new Set(events.filter(({ what }) => what === 'terminate').map(({ who }) => replicas[who]));
        const alive = replicas.filter(replica => !terminated.has(replica));
        for (const { process } of replicas) process.stopped = false;
        world.server.fate = () => prompt;
        await world.advance(4 * timings.leaseDurationMs, look);
        expect(replicas.filter(replica => replica.leads()).length).toBe(Math.min(1, alive.length));
        for (const replica of terminated) expect(await replica?.ended).toBe('ended');
        for (const { terms } of replicas) for (const term of terms) expect(term.signal.aborted).toBe(!isOpen(term.fence));
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});

function isOpen(fence: { check(): void }): boolean {
  try {
    fence.check();
    return true;
  } catch {
    return false;
  }
}

import { describe, expect, it } from 'vitest';
import type { PodHooks } from '../../volumes/pod-hooks.ts';
import { cutShort, whileQuiet } from './quiet-read.ts';

/** The time is up when `late` is called; what happens is written down in order. */
function stage() {
  const [up, interrupted] = [Promise.withResolvers<void>(), new AbortController()];
  const happened: string[] = [];
  const problem = { item: 'pods a/b', code: 'VOLUME_HOOK_FAILED', message: 'still frozen' } as const;
  let thawed: Promise<readonly (typeof problem)[]> | undefined;
  const quiet = {
    passedOver: [],
    thaw: () => {
      thawed ??= Promise.resolve([problem]).finally(() => happened.push('thawed'));
      return thawed;
    },
  };
  const sleep = (_ms: number, signal?: AbortSignal): Promise<void> =>
    Promise.race([up.promise, new Promise<never>((_, no) => signal?.addEventListener('abort', () => no(signal.reason as Error)))]);
  const context = { runtime: { sleep }, quietMs: 1_000, signal: interrupted.signal };
  const run = (read: (isQuiet: () => boolean) => Promise<unknown>) => whileQuiet(quiet, context, read);
  return { run, happened, problem, late: up.resolve, interrupt: () => interrupted.abort() };
}
const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};

describe('pods that are quiet while something is read', () => {
  it('are thawed once it is read, once, and what went wrong with that is told', async () => {
    const { run, happened, problem } = stage();
    const problems = await run(async isQuiet => {
      await turns();
      expect(isQuiet()).toBe(true);
      happened.push('read');
    });
    expect(problems).toEqual([problem]);
    expect(happened).toEqual(['read', 'thawed']);
  });

  it.each(['late', 'interrupt'] as const)('are thawed before, where it takes too long or is interrupted: %s', async how => {
    const on = stage();
    const problems = await on.run(async isQuiet => {
      on[how]();
      await turns();
      expect(isQuiet()).toBe(false);
      on.happened.push('read');
    });
    expect(problems).toEqual([on.problem]);
    expect(on.happened).toEqual(['thawed', 'read']);
  });

  it('are thawed when reading fails', async () => {
    const { run, happened } = stage();
    await expect(run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(happened).toEqual(['thawed']);
  });
});

describe('hooks whose time was up', () => {
  const hook: PodHooks = {
    ...{ namespace: 'agents', name: 'database', uid: 'u', container: 'main', quiesce: ['freeze'], thaw: ['thaw'] },
    ...{ timeoutMs: 1_000, onError: 'fail', from: 'annotations' },
  };

  it('are a problem each, unless they freeze nothing or may fail', () => {
    const others: PodHooks[] = [
      { ...hook, name: 'lenient', onError: 'continue' },
      { ...hook, name: 'quick', quiesce: [] },
    ];
    expect(cutShort([hook, ...others], 600_000)).toMatchObject([
      { item: 'pods agents/database', message: expect.stringMatching(/^thawed after 600 s, before its volumes were read to their end/) },
    ]);
  });
});

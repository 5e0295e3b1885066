import { describe, expect, it } from 'vitest';
import type { PodApi } from '../cluster/pod-api.ts';
import { type PodHooks, runHook } from './pod-hooks.ts';

const hook: PodHooks = {
  ...{ namespace: 'agents', name: 'db-0', uid: 'u', container: 'main', timeoutMs: 1_000 },
  ...{ quiesce: ['freeze'], thaw: ['thaw'], onError: 'fail', from: 'annotations' },
};

describe('what a hook says that fails', () => {
  const said = (stderr: string) => {
    const pods = { exec: async () => ({ code: 3, stdout: '', stderr }) } as Partial<PodApi> as PodApi;
    return runHook(hook, ['freeze'], { pods, signal: new AbortController().signal });
  };

  it('is told by its end, for people', async () => {
    expect(await said('cannot lock tables\n')).toBe('exit code 3 in pods agents/db-0 (main): cannot lock tables');
    expect((await said(`${'x'.repeat(5_000)} the end`))?.length).toBeLessThan(400);
  });

  it('is without secrets, also where one begins before what is told: it goes into records that are not sealed', async () => {
    const text = await said(
      `connecting with password=hunter2hunter2 to postgres://admin:whisper@db:5432\n${'Bearer '}${'s3cr3t'.repeat(100)}`,
    );
    expect(text).toContain('[redacted]');
    expect(text).not.toMatch(/hunter2|whisper|s3cr3t/);
  });
});

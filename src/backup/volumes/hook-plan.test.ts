import { describe, expect, it } from 'vitest';
import type { HookRule } from '../../domain/hook-rule.ts';
import type { JsonObject } from '../../domain/json.ts';
import { compileHooks } from '../../volumes/pod-hooks.ts';
import { planUnits, podsByClaim } from './hook-plan.ts';
import type { WantedClaim } from './select.ts';

function claim(name: string): WantedClaim {
  const facts = { namespace: 'agents', claim: name };
  return { facts, mode: 'Filesystem', accessModes: ['ReadWriteOnce'], volume: `pv-${name}`, method: 'snapshot' };
}

function pod(name: string, uses: readonly string[], annotations: Record<string, string> = {}, phase = 'Running'): JsonObject {
  const volumes = uses.map(claimName => ({ name: claimName, persistentVolumeClaim: { claimName } }));
  return {
    metadata: { namespace: 'agents', name, uid: `uid of ${name}`, annotations, labels: { app: 'db' } },
    spec: { containers: [{ name: 'main' }, { name: 'proxy' }], volumes },
    status: { phase },
  };
}

const hooks = { 'backup.holdfast.dev/quiesce': 'sync', 'backup.holdfast.dev/thaw': '["/bin/thaw", "--all"]' };

const plan = (names: readonly string[], pods: readonly JsonObject[]) =>
  planUnits(names.map(claim), podsByClaim(pods), compileHooks({ hookTimeoutMs: 30_000 })).map(unit => ({
    claims: unit.claims.map(({ facts }) => facts.claim),
    hooks: unit.hooks.map(({ name }) => name),
  }));

describe('claims that are captured together', () => {
  it('are those of one pod with hooks; every other claim is by itself', () => {
    const pods = [pod('db', ['data', 'wal'], hooks), pod('web', ['cache', 'uploads'])];
    expect(plan(['cache', 'data', 'uploads', 'wal'], pods)).toEqual([
      { claims: ['cache'], hooks: [] },
      { claims: ['uploads'], hooks: [] },
      { claims: ['data', 'wal'], hooks: ['db'] },
    ]);
  });

  it('are joined by every pod that shares one of them', () => {
    const pods = [pod('one', ['a', 'b'], hooks), pod('two', ['b', 'c'], hooks), pod('three', ['d'], hooks)];
    const units = plan(['a', 'c', 'd', 'b'], pods);
    expect(units.map(unit => ({ claims: unit.claims.toSorted(), hooks: unit.hooks.toSorted() }))).toEqual([
      { claims: ['d'], hooks: ['three'] },
      { claims: ['a', 'b', 'c'], hooks: ['one', 'two'] },
    ]);
  });

  it('need no hooks of a pod that does not run', () => {
    expect(plan(['data'], [pod('done', ['data'], hooks, 'Succeeded'), pod('new', ['data'], hooks, 'Pending')])).toEqual([
      { claims: ['data'], hooks: [] },
    ]);
  });

  it('include those that a pod brings along', () => {
    const spec = { containers: [{ name: 'main' }], volumes: [{ name: 'scratch', ephemeral: {} }] };
    const running = { ...pod('job', []), spec };
    expect([...podsByClaim([running]).keys()]).toEqual(['agents/job-scratch']);
  });
});

describe('the hooks of a pod', () => {
  const hooksOf = (annotations: Record<string, string>, rules: readonly HookRule[] = []) => {
    const users = podsByClaim([pod('db', ['data'], annotations)]);
    return planUnits([claim('data')], users, compileHooks({ hookTimeoutMs: 30_000, hooks: rules }))[0]?.hooks[0];
  };

  it('are a line for a shell, or words as they are, in the first container unless told', () => {
    expect(hooksOf(hooks)).toEqual({
      ...{ namespace: 'agents', name: 'db', uid: 'uid of db', container: 'main', timeoutMs: 30_000 },
      ...{ quiesce: ['sh', '-c', 'sync'], thaw: ['/bin/thaw', '--all'], onError: 'fail', from: 'annotations' },
    });
    const more = {
      ...{ 'backup.holdfast.dev/hook-container': 'proxy', 'backup.holdfast.dev/hook-timeout': '2m' },
      'backup.holdfast.dev/hook-on-error': 'continue',
    };
    expect(hooksOf({ ...hooks, ...more })).toMatchObject({ container: 'proxy', timeoutMs: 120_000, onError: 'continue' });
  });

  it('are those of the first rule that chooses the pod, where its annotations say nothing', () => {
    const rule = (change: Partial<HookRule>): HookRule => ({
      ...{ namespaces: [], labelSelector: '', quiesce: ['freeze'], thaw: ['thaw'], onError: 'fail' },
      ...change,
    });
    const everywhere = rule({ quiesce: ['sync'], container: 'proxy', timeoutMs: 5_000, onError: 'continue' });
    expect(hooksOf({}, [rule({ namespaces: ['team-*'] }), rule({ labelSelector: 'app=web' }), everywhere])).toEqual({
      ...{ namespace: 'agents', name: 'db', uid: 'uid of db', container: 'proxy', timeoutMs: 5_000 },
      ...{ quiesce: ['sync'], thaw: ['thaw'], onError: 'continue', from: 'configuration', rule: expect.stringMatching(/^[0-9a-f]{16}$/) },
    });
    const chosen = rule({ namespaces: ['agent?'], labelSelector: 'app in (db,web)' });
    expect(hooksOf({}, [chosen, everywhere])).toMatchObject({ quiesce: ['freeze'], container: 'main', timeoutMs: 30_000 });
    expect(hooksOf({ 'backup.holdfast.dev/thaw': 'own' }, [everywhere])).toMatchObject({ quiesce: [], thaw: ['sh', '-c', 'own'] });
    expect(hooksOf({}, [rule({ namespaces: ['other'] })])).toBeUndefined();
  });

  it('are those of the rule that is meant, wherever it stands and whatever it chooses, as long as it is there', () => {
    const rule = (thaw: string): HookRule => ({
      namespaces: ['agents'],
      labelSelector: '',
      quiesce: ['freeze'],
      thaw: [thaw],
      onError: 'fail',
    });
    const [db] = [pod('db', ['data'])];
    const compiled = (...thaws: string[]) => compileHooks({ hookTimeoutMs: 30_000, hooks: thaws.map(rule) });
    const { rule: second } = compiled('two')(db) ?? {};
    expect(compiled('one', 'two')(db)).toMatchObject({ thaw: ['one'] });
    expect(compiled('one', 'two')(db, second)).toMatchObject({ thaw: ['two'] });
    expect(compiled('one', 'three')(db, second)).toMatchObject({ thaw: ['one'] });
  });

  it('may be one alone, and a line may begin with a bracket', () => {
    expect(hooksOf({ 'backup.holdfast.dev/quiesce': '[ -e /data/x ] && sync' })).toMatchObject({
      quiesce: ['sh', '-c', '[ -e /data/x ] && sync'],
      thaw: [],
    });
    expect(hooksOf({})).toBeUndefined();
  });
});

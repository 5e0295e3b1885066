import { describe, expect, it } from 'vitest';
import { namespaces, policy, tier } from '../../test/helpers/policies.ts';
import { parts, partsWith, tierLabel, volumeCaptures, wholeTiers } from './policy.ts';
import { everything } from './selection.ts';

describe('the parts of a backup on demand', () => {
  it.each([
    ['none', ['resources', 'artifacts', 'offsiteCopy']],
    ['snapshots', ['resources', 'volumeSnapshots', 'artifacts', 'offsiteCopy']],
    ['data', ['resources', 'volumeSnapshots', 'volumeData', 'artifacts', 'offsiteCopy']],
  ] as const)('with %s of volumes are the tier’s, but for those of volumes', (volumes, expected) => {
    expect(partsWith(parts, volumes)).toEqual(expected);
    expect(partsWith(['artifacts', 'offsiteCopy'], volumes)).toEqual(expected);
  });

  it('are never none, since objects are always captured', () => {
    for (const volumes of volumeCaptures) expect(partsWith(['volumeData'], volumes)).toContain('resources');
    expect(partsWith(['volumeData'], 'none')).toEqual(['resources']);
  });
});

describe('a policy as a whole', () => {
  const names = (...selections: (typeof everything)[]) =>
    wholeTiers(
      policy(selections.map((selection, index) => tier(`t${index}`, '@daily', { scope: { selection, parts: ['resources'] } }))),
    ).map(({ name }) => name);

  it('is judged by the tiers that take the whole cluster, where there are any', () => {
    const butSome = { ...everything, excludeNamespaces: ['scratch'], excludeKinds: ['events'] };
    expect(names(namespaces('a'), everything, butSome, { ...everything, labelSelector: 'app=web' })).toEqual(['t1', 't2']);
    expect(names(namespaces('a'), namespaces('a', 'b'))).toEqual(['t0', 't1']);
  });
});

describe('the label of a tier', () => {
  it('is its name where a policy has it, and otherwise says only that there is another one', () => {
    const yearly = { name: 'yearly', keep: { count: 7, unit: 'year' }, promote: { from: 'daily', lastOf: 'year' } } as const;
    const policies = [policy([tier('daily', '@daily'), yearly]), policy([tier('hourly', '@hourly')], { name: 'team' })];
    const labels = ['daily', 'yearly', 'hourly', 'manual', 'x7f3', 'unknown', ''].map(name => tierLabel(policies, name));
    expect(labels).toEqual(['daily', 'yearly', 'hourly', 'manual', 'other', 'other', 'other']);
  });
});

import { describe, expect, it } from 'vitest';
import { parts, partsWith, volumeCaptures } from './policy.ts';

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

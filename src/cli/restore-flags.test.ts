import { describe, expect, it } from 'vitest';
import { volumeSizeMapping } from './restore-flags.ts';

const usage = (message: RegExp) => expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(message) });

describe('--volume-size-mapping', () => {
  it('names claims and what they ask for', () => {
    expect(volumeSizeMapping(['agents/workspace=20Gi', 'team-a/data-db-0=1.5Ti', 'agents/workspace=20Gi'])).toEqual({
      'agents/workspace': '20Gi',
      'team-a/data-db-0': '1.5Ti',
    });
  });

  it.each(['workspace=20Gi', 'agents/workspace', 'agents/workspace=', 'agents/workspace=large', 'agents/workspace=0', 'agents/Work=1Gi'])(
    'refuses %s',
    pair => {
      expect(() => volumeSizeMapping([pair])).toThrow(usage(/is not of the form namespace\/claim=20Gi/));
    },
  );

  it('refuses two sizes of one claim', () => {
    expect(() => volumeSizeMapping(['a/b=1Gi', 'a/b=2Gi'])).toThrow(usage(/gives a\/b two sizes: 1Gi and 2Gi/));
  });
});

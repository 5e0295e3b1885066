import { expect, it } from 'vitest';
import { freshName } from '../../src/backup/volumes/context.ts';
import { isOwnName } from '../../src/domain/volume.ts';
import { temporaryName } from '../../src/restore/volumes/temporary-claim.ts';
import { claimDigest } from '../../src/volumes/labels.ts';
import { testRuntime } from '../helpers/runtime.ts';

it('names of what Holdfast makes around volumes are known by their form, and nobody else’s are', () => {
  const place = { namespace: 'agents', claim: 'workspace' };
  const digest = claimDigest(place);
  const own = [
    ...[freshName({ runtime: testRuntime }, digest), freshName({ runtime: testRuntime }, digest, 'kept-')],
    temporaryName('20261123T020000Z-daily-k3f9', place),
  ];
  expect(own.filter(name => !isOwnName(name))).toEqual([]);
  const others = ['holdfast', 'holdfast-data', 'holdfast-restore-old', `data-${own[0]}`, `${own[0]}-0`, 'workspace'];
  expect(others.filter(isOwnName)).toEqual([]);
});

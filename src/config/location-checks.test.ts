import { expect, it } from 'vitest';
import { checkLocations } from './location-checks.ts';

const tiers = (locations: string[]) => ({
  team: { tiers: { nightly: { schedule: '@daily', keep: { count: 7, unit: 'day' as const }, locations } } },
});

it('refuses a tier that names a location which is not there, and says which are', () => {
  expect(checkLocations({ locations: { offsite: 's3://copies' }, policies: tiers(['offsite', 'vault']) })).toEqual([
    {
      path: ['policies', 'team', 'tiers', 'nightly', 'locations'],
      message: 'names "vault", which is no key of locations; there are offsite',
      severity: 'error',
      hint: 'write locations: {vault: s3://bucket/prefix}; the repository itself is location, and need not be named',
    },
  ]);
  expect(checkLocations({ policies: tiers(['toString']) })[0]?.message).toBe(
    'names "toString", which is no key of locations; there are none',
  );
});

it('takes those that are there', () => {
  expect(checkLocations({ locations: { offsite: 's3://copies' }, policies: tiers(['offsite']) })).toEqual([]);
  expect(checkLocations({ policies: tiers([]) })).toEqual([]);
});

it('names every location that cannot be used, and repeats none', () => {
  const rules = {
    refusal: (text: string) => (text.includes('@') ? { message: 'location: credentials do not belong in it', hint: 'out' } : undefined),
  };
  const settings = { location: 's3://key:secret@bucket', locations: { offsite: 's3://copies', vault: 's3://key:secret@vault' } };
  const refused = { message: 'cannot be used: credentials do not belong in it', severity: 'error', hint: 'out' };
  expect(checkLocations(settings, rules)).toEqual([
    { path: ['location'], ...refused },
    { path: ['locations', 'vault'], ...refused },
  ]);
});

import { describe, expect, it } from 'vitest';
import { withApi } from '../../../test/helpers/api-context.ts';
import { createMemoryService } from '../../../test/helpers/api-memory-service.ts';
import { manifestOf } from '../../../test/helpers/api-sets.ts';

const set = manifestOf({ id: '20261101T020000Z-daily-aaaa' });
const { uid } = set.cluster;
const api = withApi(() => ({ service: createMemoryService({ sets: [set] }) }));
const selection = { includeNamespaces: ['team-a'] };
const claim = { namespace: 'team-a', claim: 'data' };
const identity = { value: 'AGE-SECRET-KEY-1' };

type Asking = (cluster: string) => readonly ['GET' | 'POST' | 'PUT' | 'DELETE', string, object?];
const forTenants: readonly (readonly [string, Asking])[] = [
  ['a backup', cluster => ['GET', `backups/latest?cluster=${cluster}`]],
  ['its objects', cluster => ['GET', `backups/latest/objects?cluster=${cluster}`]],
  ['its volumes', cluster => ['GET', `backups/latest/volumes?cluster=${cluster}`]],
  ['files of one', cluster => ['POST', 'backups/latest/volumes/files', { ...claim, cluster }]],
  ['a plan', cluster => ['POST', 'restores/plan', { set: 'latest', cluster, selection, identity }]],
  ['a restore', cluster => ['POST', 'restores', { set: 'latest', cluster, selection }]],
  ['a restore of a volume', cluster => ['POST', 'restores/volumes', { set: 'latest', cluster, from: claim }]],
  ['a validation', cluster => ['POST', 'validations', { set: 'latest', cluster, selection }]],
];
const forOthers: readonly (readonly [string, Asking])[] = [
  ...forTenants,
  ['a verification', cluster => ['POST', 'verifications', { set: 'latest', cluster }]],
  ['a hold', cluster => ['PUT', 'holds/latest', { reason: 'audit', cluster }]],
];

describe('whose set is meant', () => {
  it.each(forOthers)('can be said for %s', async (_what, asking) => {
    const ask = async (cluster: string) => (await api().ask('admin', ...asking(cluster))).status;
    for (const cluster of ['own', uid]) expect(await ask(cluster)).toBeLessThan(300);
    expect(await ask('00000000')).toBe(404);
    expect(await ask('-x')).toBe(400);
  });

  it.each(forTenants)('is the service’s own cluster, or unsaid, for %s of a tenant', async (_what, asking) => {
    const ask = (cluster: string) => api().ask('tenant', ...asking(cluster));
    expect((await ask('own')).status).toBeLessThan(300);
    const refused = await ask(uid);
    expect(refused).toMatchObject({ status: 403, body: { code: 'REQUEST_FORBIDDEN' } });
    expect(refused.text).not.toContain('https://');
  });

  it('means nothing where all sets are verified', async () => {
    const refused = await api().ask('admin', 'POST', 'verifications', { set: 'all', cluster: 'own' });
    expect(refused).toMatchObject({ status: 422, body: { code: 'REQUEST_CONTRADICTORY' } });
  });
});

import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../../domain/errors.ts';
import { createAccessReviewer } from './access-review.ts';
import type { Tenant } from './authorizer.ts';
import { createTokenReviewer } from './token-review.ts';

const signal = new AbortController().signal;

/** An API server that answers reviews by a rule, and counts them. */
function reviewing(status: (spec: never) => object) {
  const asked: unknown[] = [];
  let at = 0;
  return {
    asked,
    pass: (ms: number) => (at += ms),
    runtime: { now: () => new Date(at) },
    cluster: {
      create: async (_kind: unknown, _namespace: string, body: string) => {
        const { spec } = JSON.parse(body);
        asked.push(spec);
        return JSON.stringify({ status: status(spec as never) });
      },
    },
  };
}

describe('a token review', () => {
  const user = { username: 'system:serviceaccount:ops:ci', uid: '7', groups: ['system:serviceaccounts'], extra: { a: ['b'] } };
  const known = (audiences: string[]) =>
    reviewing(({ token }: { token: string }) => (token === 'good' ? { authenticated: true, user, audiences } : { error: 'no' }));

  it('asks for the audience, and counts for ten seconds', async () => {
    const server = known(['holdfast']);
    const reviewer = createTokenReviewer({ ...server, audiences: ['holdfast'] });
    const ask = () => reviewer.authenticate('good', signal);
    const principal = { name: user.username, uid: '7', groups: user.groups, extra: user.extra };
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(Array(3).fill({ principal }));
    server.pass(9_999);
    await ask();
    expect(server.asked).toEqual([{ token: 'good', audiences: ['holdfast'] }]);
    server.pass(1);
    await ask();
    expect(server.asked).toHaveLength(2);
  });

  it('rejects what the cluster does not know, and what was not made for us', async () => {
    const answer = (audiences: string[], token: string) =>
      createTokenReviewer({ ...known(audiences), audiences: ['holdfast'] }).authenticate(token, signal);
    expect(await answer(['holdfast'], 'bad')).toEqual({ rejected: 'the cluster does not accept the token for the audience holdfast' });
    expect(await answer([], 'good')).toEqual({ rejected: 'the token was not made for the audience holdfast' });
    expect(await answer(['https://kubernetes.default.svc'], 'good')).toHaveProperty('rejected');
  });

  it('that fails says so without the token, and is not remembered', async () => {
    let broken = true;
    const server = reviewing(() => {
      if (broken) throw new HoldfastError('CLUSTER_UNREACHABLE', 'POST of good failed');
      return { authenticated: true, user, audiences: ['holdfast'] };
    });
    const reviewer = createTokenReviewer({ ...server, audiences: ['holdfast'] });
    await expect(reviewer.authenticate('good', signal)).rejects.toMatchObject({
      code: 'AUTHENTICATOR_UNAVAILABLE',
      message: expect.not.stringContaining('good'),
    });
    broken = false;
    expect(await reviewer.authenticate('good', signal)).toHaveProperty('principal');
  });

  it('of ever new tokens never asks more than ten at a time, nor lets more than two hundred wait', async () => {
    let running = 0;
    let most = 0;
    const gate = Promise.withResolvers<void>();
    const cluster = {
      create: async () => {
        most = Math.max(most, ++running);
        await gate.promise;
        running -= 1;
        return '{"status":{}}';
      },
    };
    const reviewer = createTokenReviewer({ cluster, audiences: ['holdfast'], runtime: { now: () => new Date(0) } });
    const all = Promise.allSettled(Array.from({ length: 1_000 }, (_, i) => reviewer.authenticate(`token-${i}`, signal)));
    await Promise.resolve();
    gate.resolve();
    const outcomes = await all;
    expect(most).toBe(10);
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBeGreaterThanOrEqual(700);
  });
});

describe('an access review', () => {
  const principal = { name: 'system:serviceaccount:team-a:ci', groups: ['devs'], uid: '7' };
  interface Spec {
    readonly resourceAttributes: { readonly namespace?: string; readonly resource: string; readonly verb: string };
  }
  const decide = async (allowedIn: readonly (string | undefined)[], asked: string[], tenants: readonly Tenant[] = []) => {
    const server = reviewing(({ resourceAttributes }: Spec) => ({ allowed: allowedIn.includes(resourceAttributes.namespace) }));
    const authorizer = createAccessReviewer({ ...server, tenants: () => tenants });
    return { server, decision: await authorizer.decide(principal, { resource: 'backups', verb: 'list' }, asked, signal) };
  };

  it('asks for the whole cluster first, as the user with everything that is known of them', async () => {
    const { server, decision } = await decide([undefined], []);
    expect(decision).toEqual({ allowed: true });
    const resourceAttributes = { group: 'holdfast.dev', resource: 'backups', verb: 'list' };
    expect(server.asked).toEqual([{ user: principal.name, groups: ['devs'], uid: '7', resourceAttributes }]);
  });

  it('then for the service account’s own namespace, and those it is a tenant of', async () => {
    const tenant = { groups: ['devs'], namespaces: ['team-a', 'team-b', 'team-x-*'] };
    expect((await decide(['team-a'], [])).decision).toEqual({ allowed: true, namespaces: ['team-a'] });
    expect((await decide(['team-b'], [], [tenant])).decision).toEqual({ allowed: true, namespaces: ['team-b'] });
    expect((await decide([], [], [tenant])).decision).toMatchObject({ allowed: false });
  });

  it('or for those that the request names, each of which must be allowed', async () => {
    expect((await decide(['b', 'c'], ['b', 'c'])).decision).toEqual({ allowed: true, namespaces: ['b', 'c'] });
    expect((await decide(['b'], ['b', 'c'])).decision).toMatchObject({ allowed: false, reason: expect.stringContaining('namespace c') });
    expect((await decide([undefined], ['b'])).decision).toEqual({ allowed: true, namespaces: ['b'] });
  });

  it('never lets a tenant out of its namespaces, whatever the cluster allows', async () => {
    const tenant = { users: [principal.name], namespaces: ['team-b'] };
    expect((await decide([undefined], [], [tenant])).decision).toEqual({ allowed: true, namespaces: ['team-b'] });
    expect((await decide([undefined], ['team-a'], [tenant])).decision).toMatchObject({ allowed: false });
    expect((await decide(['team-a'], ['team-a'], [tenant])).decision).toMatchObject({ allowed: false });
  });

  it('of a Secret asks whether the user may get it', async () => {
    const server = reviewing(({ resourceAttributes }: Spec) => ({ allowed: resourceAttributes.namespace === 'team-a' }));
    const authorizer = createAccessReviewer({ ...server, tenants: () => [] });
    expect(await authorizer.mayUseSecret(principal, { namespace: 'team-a', name: 'identity' }, signal)).toBe(true);
    expect(await authorizer.mayUseSecret(principal, { namespace: 'kube-system', name: 'identity' }, signal)).toBe(false);
    expect(server.asked[0]).toMatchObject({
      resourceAttributes: { group: '', resource: 'secrets', verb: 'get', namespace: 'team-a', name: 'identity' },
    });
  });
});

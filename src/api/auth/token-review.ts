import pLimit from 'p-limit';
import * as z from 'zod';
import type { ClusterApi } from '../../cluster/cluster-api.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { asHoldfastError, HoldfastError } from '../../domain/errors.ts';
import type { ResourceKind } from '../../domain/resource.ts';
import type { Runtime } from '../../domain/runtime.ts';
import type { Authenticator, Verdict } from './authenticator.ts';
import { createShortCache } from './short-cache.ts';

export const tokenReviews: ResourceKind = {
  group: 'authentication.k8s.io',
  version: 'v1',
  resource: 'tokenreviews',
  kind: 'TokenReview',
  namespaced: false,
  verbs: ['create'],
  subresources: [],
};

const answer = z.object({
  status: z
    .object({
      authenticated: z.boolean().default(false),
      user: z
        .object({
          username: z.string().default(''),
          uid: z.string().exactOptional(),
          groups: z.array(z.string()).default([]),
          extra: z.record(z.string(), z.array(z.string())).exactOptional(),
        })
        .exactOptional(),
      audiences: z.array(z.string()).default([]),
    })
    .default({ authenticated: false, audiences: [] }),
});

export interface TokenReviewOptions {
  readonly cluster: Pick<ClusterApi, 'create'>;
  /** The token must have been made for one of them. Never empty. */
  readonly audiences: readonly string[];
  readonly runtime: Pick<Runtime, 'now'>;
}

const cacheMs = 10_000;
const mostCached = 10_000;
/** Strangers with ever new tokens must not keep the API server busy; of one address no more wait than auth/strangers.ts lets through. */
const reviewsAtOnce = 10;
const mostWaiting = 200;
const timeoutMs = 10_000;

/** Lets the API server verify tokens, by TokenReview bound to an audience. An answer counts for ten seconds. */
export function createTokenReviewer({ cluster, audiences, runtime }: TokenReviewOptions): Authenticator {
  const cache = createShortCache<Verdict>({ ttlMs: cacheMs, most: mostCached, now: runtime.now });
  const limit = pLimit(reviewsAtOnce);
  const review = async (token: string): Promise<Verdict> => {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } };
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return verdictOf(await cluster.create(tokenReviews, '', JSON.stringify(body), { signal }), audiences);
    } catch (thrown) {
      // The API server’s words could quote the request.
      const { code } = asHoldfastError(thrown);
      throw new HoldfastError('AUTHENTICATOR_UNAVAILABLE', `the API server did not review the token (${code})`, { cause: thrown });
    }
  };
  return {
    // The review serves all who ask for the same token, so that none of them may abort it.
    authenticate: token =>
      cache.find(sha256Hex(token), () => {
        if (limit.pendingCount >= mostWaiting) {
          throw new HoldfastError('AUTHENTICATOR_UNAVAILABLE', 'too many tokens are waiting for their review');
        }
        return limit(review, token);
      }),
  };
}

function verdictOf(text: string, audiences: readonly string[]): Verdict {
  const { status } = answer.parse(JSON.parse(text));
  const names = audiences.join(', ');
  if (!status.authenticated) return { rejected: `the cluster does not accept the token for the audience ${names}` };
  // An API server that knows no audiences names none: then nothing says that the token was meant for us.
  if (!status.audiences.some(audience => audiences.includes(audience)))
    return { rejected: `the token was not made for the audience ${names}` };
  const { username = '', groups = [], uid, extra } = status.user ?? {};
  if (username === '') return { rejected: 'the cluster names no user for the token' };
  return { principal: { name: username, groups, ...(uid !== undefined && { uid }), ...(extra !== undefined && { extra }) } };
}

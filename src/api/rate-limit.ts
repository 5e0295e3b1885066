import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HoldfastError } from '../domain/errors.ts';
import type { ApiLimits } from './limits.ts';

/**
 * Limits what one user may ask, whatever the address, a minute and a second; comes after authentication, before which auth/strangers.ts counts by
 * address. RATE_LIMITED with Retry-After beyond that.
 */
export async function limitRates(app: FastifyInstance, limits: Pick<ApiLimits, 'requestsPerMinute' | 'requestsPerSecond'>) {
  const { requestsPerMinute, requestsPerSecond } = limits;
  await app.register(rateLimit, { global: false, cache: 20_000 });
  const limiters = [
    app.createRateLimit({ max: requestsPerSecond, timeWindow: 1_000, keyGenerator: keyOf }),
    app.createRateLimit({ max: requestsPerMinute, timeWindow: 60_000, keyGenerator: keyOf }),
  ];
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    for (const limiter of limiters) {
      const state = await limiter(request);
      if (state.isAllowed || !state.isExceeded) continue;
      reply.header('retry-after', Math.max(1, state.ttlInSeconds));
      throw new HoldfastError('RATE_LIMITED', `more than ${state.max} requests ${state.timeWindow === 1_000 ? 'a second' : 'a minute'}`);
    }
  };
}

function keyOf({ principal }: FastifyRequest): string {
  return principal?.name ?? '';
}

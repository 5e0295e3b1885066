import * as z from 'zod';
import { endpoint } from '../endpoint.ts';
import { clusterRef, identity, setRef } from '../schemas/common.ts';
import { operation } from '../schemas/operation.ts';

export const verificationEndpoints = {
  create: endpoint({
    method: 'POST',
    path: '/verifications',
    id: 'createVerification',
    summary: 'Check a set, or all of them, against their signed manifests',
    description: 'Every digest of every file; with an identity every object in them too.',
    access: { resource: 'verifications', verb: 'create' },
    tenants: false,
    body: z.strictObject({
      set: z.union([z.literal('all'), setRef]).default('latest'),
      cluster: clusterRef.exactOptional(),
      identity: identity.exactOptional(),
    }),
    success: { status: 202, schema: operation, description: 'Started' },
    problems: [404, 409, 422, 502, 503],
    idempotent: true,
  }),
};

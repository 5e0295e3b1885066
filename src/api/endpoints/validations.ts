import * as z from 'zod';
import { endpoint } from '../endpoint.ts';
import { clusterRef, identity, namespaceMapping, selectionRequest, setRef, storageClasses, volumeSizes } from '../schemas/common.ts';
import { operation } from '../schemas/operation.ts';

export const validationEndpoints = {
  create: endpoint({
    method: 'POST',
    path: '/validations',
    id: 'createValidation',
    summary: 'Compare the living cluster with a set',
    access: { resource: 'validations', verb: 'create' },
    tenants: true,
    body: z.strictObject({
      set: setRef,
      cluster: clusterRef.exactOptional(),
      selection: selectionRequest.exactOptional(),
      namespaceMapping: namespaceMapping.exactOptional(),
      storageClasses: storageClasses.exactOptional(),
      volumeSizes: volumeSizes.exactOptional(),
      platform: z.boolean().default(false).describe('also run something small on the platform; not for callers restricted to namespaces'),
      identity: identity.exactOptional(),
    }),
    success: { status: 202, schema: operation, description: 'Started' },
    problems: [404, 409, 422, 502, 503],
    idempotent: true,
  }),
};

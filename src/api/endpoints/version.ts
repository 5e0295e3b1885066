import * as z from 'zod';
import { endpoint } from '../endpoint.ts';

export const versionEndpoints = {
  get: endpoint({
    method: 'GET',
    path: '/version',
    id: 'getVersion',
    summary: 'Which version answers, and who it takes the caller for',
    tenants: true,
    success: {
      status: 200,
      schema: z
        .object({
          version: z.string(),
          api: z.literal('v1'),
          user: z.string(),
        })
        .meta({ id: 'Version' }),
      description: 'The version',
    },
    problems: [],
  }),
};

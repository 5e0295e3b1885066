import type { ClaimPlace } from '../domain/claim-request.ts';
import { HoldfastError } from '../domain/errors.ts';

/** How a claim is named, wherever a command takes one. */
export const claimArgument = { term: '<claim>', text: 'namespace/name of a volume claim' } as const;

/** USAGE for a text that names no claim. */
export function parseClaim(text: string | undefined, what = 'the claim'): ClaimPlace {
  const match = /^(?<namespace>[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/(?<claim>[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)$/.exec(text ?? '');
  const { namespace, claim } = match?.groups ?? {};
  if (namespace !== undefined && claim !== undefined) return { namespace, claim };
  throw new HoldfastError('USAGE', `${what} ${JSON.stringify(text ?? '')} is not of the form namespace/name`);
}

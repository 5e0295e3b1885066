import { readFile } from 'node:fs/promises';
import * as jose from 'jose';
import * as z from 'zod';
import { HoldfastError } from '../../domain/errors.ts';
import type { Runtime } from '../../domain/runtime.ts';
import type { Authenticator, Principal, Verdict } from './authenticator.ts';

/** Signatures by a key pair only: a shared secret, or none, is never accepted. */
export const allowedAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

export interface OidcOptions {
  /** As in the tokens’ `iss`, `https://…`. */
  readonly issuer: string;
  readonly audience: string;
  /** `RS256` and `ES256` unless given. */
  readonly algorithms?: readonly (typeof allowedAlgorithms)[number][];
  /** `sub` unless given. */
  readonly usernameClaim?: string;
  /** Put before names, so that an issuer cannot make up the cluster’s own users; `<issuer>#` unless given. */
  readonly usernamePrefix?: string;
  /** `groups` unless given. */
  readonly groupsClaim?: string;
  /** Put before groups; `<issuer>#` unless given. */
  readonly groupsPrefix?: string;
  /** A JWKS file in place of the issuer’s discovery. */
  readonly jwksFile?: string;
  /** For discovery and keys; the global one unless given. */
  readonly fetch?: typeof fetch;
  readonly runtime: Pick<Runtime, 'now'>;
}

const clockToleranceSeconds = 30;
const timeoutMs = 10_000;
const discoveryDocument = z.object({ issuer: z.string(), jwks_uri: z.url() });

type Keys = (header: jose.JWSHeaderParameters, token: jose.FlattenedJWSInput) => Promise<jose.CryptoKey | jose.KeyObject | Uint8Array>;

/** Verifies JWTs of one issuer; those of others, and texts that are no JWT, are none of its business. */
export function createOidcVerifier(options: OidcOptions): Authenticator {
  const keys = keySource(options);
  return {
    authenticate: async (token, signal) => {
      if (issuerOf(token) !== options.issuer) return undefined;
      return verify(token, await keys(signal), options);
    },
  };
}

function issuerOf(token: string): unknown {
  try {
    return jose.decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

async function verify(token: string, keys: Keys, options: OidcOptions): Promise<Verdict> {
  const { issuer, audience, algorithms = ['RS256', 'ES256'], runtime } = options;
  try {
    const { payload } = await jose.jwtVerify(token, keys as jose.JWTVerifyGetKey, {
      issuer,
      audience,
      algorithms: [...algorithms],
      requiredClaims: ['exp'],
      clockTolerance: clockToleranceSeconds,
      currentDate: runtime.now(),
    });
    return principalOf(payload, options);
  } catch (thrown) {
    if (thrown instanceof jose.errors.JWTExpired) return { rejected: 'the token has expired' };
    if (thrown instanceof jose.errors.JWTClaimValidationFailed) return { rejected: `the token’s claim ${thrown.claim} is not as required` };
    if (thrown instanceof jose.errors.JWKSTimeout || !(thrown instanceof jose.errors.JOSEError)) throw unavailable(issuer, thrown);
    if (thrown instanceof jose.errors.JWKSInvalid || thrown.code === 'ERR_JOSE_GENERIC') throw unavailable(issuer, thrown);
    return { rejected: 'the token’s signature is not valid' };
  }
}

function principalOf(payload: jose.JWTPayload, options: OidcOptions): Verdict {
  const { issuer, usernameClaim = 'sub', groupsClaim = 'groups', usernamePrefix = `${issuer}#`, groupsPrefix = `${issuer}#` } = options;
  const name = payload[usernameClaim];
  if (typeof name !== 'string' || name === '') return { rejected: `the token has no claim ${usernameClaim}` };
  if (usernameClaim === 'email' && payload['email_verified'] === false) return { rejected: 'the token’s e-mail address is not verified' };
  const claimed = payload[groupsClaim] ?? [];
  const groups = (Array.isArray(claimed) ? claimed : [claimed]).filter(group => typeof group === 'string');
  const principal: Principal = { name: `${usernamePrefix}${name}`, groups: groups.map(group => `${groupsPrefix}${group}`) };
  return { principal };
}

/** The issuer’s keys, found when first needed and kept up to date by the library; a file is read again for every new key id. */
function keySource(options: OidcOptions): (signal: AbortSignal) => Promise<Keys> {
  const { jwksFile, issuer } = options;
  if (jwksFile !== undefined) return async () => keysFromFile(jwksFile);
  let found: Promise<Keys> | undefined;
  return () => {
    found ??= discover(options).catch(thrown => {
      found = undefined;
      throw unavailable(issuer, thrown);
    });
    return found;
  };
}

async function keysFromFile(path: string): Promise<Keys> {
  try {
    return jose.createLocalJWKSet(JSON.parse(await readFile(path, 'utf8'))) as Keys;
  } catch (thrown) {
    throw new HoldfastError('AUTHENTICATOR_UNAVAILABLE', `${path} is no readable JWKS`, { cause: thrown });
  }
}

/** OpenID Connect Discovery 1.0 §4. */
async function discover({ issuer, fetch: get = fetch }: OidcOptions): Promise<Keys> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await get(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const document = discoveryDocument.parse(await response.json());
  if (document.issuer !== issuer) throw new Error(`${url} names another issuer`);
  return jose.createRemoteJWKSet(new URL(document.jwks_uri), {
    timeoutDuration: timeoutMs,
    [jose.customFetch]: get as jose.FetchImplementation,
  }) as Keys;
}

function unavailable(issuer: string, thrown: unknown): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown;
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return new HoldfastError('AUTHENTICATOR_UNAVAILABLE', `the keys of ${issuer} cannot be had: ${why}`, { cause: thrown });
}

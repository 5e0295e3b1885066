import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as jose from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { tempDir } from '../../../test/cluster/temp-dir.ts';
import { createOidcVerifier, type OidcOptions } from './oidc.ts';

const issuer = 'https://issuer.example';
const audience = 'holdfast';
const now = new Date('2026-11-23T12:00:00Z');
const seconds = now.getTime() / 1000;
const signal = new AbortController().signal;

let dir = '';
let pair: jose.GenerateKeyPairResult;
let jwks: jose.JSONWebKeySet;
beforeAll(async () => {
  dir = await tempDir('oidc');
  pair = await jose.generateKeyPair('ES256', { extractable: true });
  jwks = { keys: [{ ...(await jose.exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256' }] };
  await writeFile(join(dir, 'jwks.json'), JSON.stringify(jwks));
});

interface Claims {
  readonly iss?: string;
  readonly aud?: string;
  readonly exp?: number | undefined;
  readonly [claim: string]: unknown;
}

function sign(claims: Claims = {}, options: { key?: jose.CryptoKey; kid?: string } = {}): Promise<string> {
  const all = { iss: issuer, aud: audience, sub: 'alice', exp: seconds + 600, groups: ['ops'], ...claims };
  return new jose.SignJWT(all as jose.JWTPayload)
    .setProtectedHeader({ alg: 'ES256', kid: options.kid ?? 'one' })
    .sign(options.key ?? pair.privateKey);
}

const fromFile = (more: Partial<OidcOptions> = {}) =>
  createOidcVerifier({ issuer, audience, jwksFile: join(dir, 'jwks.json'), runtime: { now: () => now }, ...more });
const rejected = async (token: string) => ((await fromFile().authenticate(token, signal)) as { rejected?: string } | undefined)?.rejected;

describe('a token of the issuer', () => {
  it('is accepted, its names marked as the issuer’s', async () => {
    expect(await fromFile().authenticate(await sign(), signal)).toEqual({
      principal: { name: `${issuer}#alice`, groups: [`${issuer}#ops`] },
    });
    const plain = fromFile({ usernameClaim: 'email', usernamePrefix: '', groupsClaim: 'roles', groupsPrefix: 'oidc:' });
    const token = await sign({ email: 'alice@example.org', email_verified: true, roles: 'admins' });
    expect(await plain.authenticate(token, signal)).toEqual({ principal: { name: 'alice@example.org', groups: ['oidc:admins'] } });
    expect(await plain.authenticate(await sign({ email: 'a@b', email_verified: false }), signal)).toMatchObject({
      rejected: expect.any(String),
    });
  });

  it('is refused when it has expired, is not valid yet, or has no end', async () => {
    expect(await rejected(await sign({ exp: seconds - 31 }))).toBe('the token has expired');
    expect(await rejected(await sign({ exp: seconds - 29 }))).toBeUndefined();
    expect(await rejected(await sign({ nbf: seconds + 60 }))).toContain('nbf');
    expect(await rejected(await sign({ exp: undefined }))).toContain('exp');
  });

  it('is refused when it was made for somebody else, or names nobody', async () => {
    expect(await rejected(await sign({ aud: 'another' }))).toContain('aud');
    expect(await rejected(await sign({ sub: undefined }))).toContain('sub');
  });

  it('is refused when another key signed it, none did, or the public key was used as a secret', async () => {
    const other = await jose.generateKeyPair('ES256');
    expect(await rejected(await sign({}, { key: other.privateKey }))).toContain('signature');
    expect(await rejected(await sign({}, { kid: 'two' }))).toContain('signature');
    const [, payload] = (await sign()).split('.');
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
    expect(await rejected(none)).toContain('signature');
    const hmac = await new jose.SignJWT({ iss: issuer, aud: audience, sub: 'alice', exp: seconds + 600 })
      .setProtectedHeader({ alg: 'HS256', kid: 'one' })
      .sign(Buffer.from(JSON.stringify(jwks.keys[0])));
    expect(await rejected(hmac)).toContain('signature');
  });

  it('is nobody’s business here when the issuer is another, or the text is no JWT', async () => {
    for (const token of [await sign({ iss: 'https://other.example' }), 'plain-token', 'a.b.c', '']) {
      expect(await fromFile().authenticate(token, signal)).toBeUndefined();
    }
  });
});

describe('discovery', () => {
  const discovering = (answers: Readonly<Record<string, unknown>>, asked: string[] = []) =>
    createOidcVerifier({
      issuer,
      audience,
      runtime: { now: () => now },
      fetch: async url => {
        asked.push(String(url));
        const answer = answers[String(url)];
        return answer === undefined ? new Response('gone', { status: 503 }) : Response.json(answer);
      },
    });
  const document = `${issuer}/.well-known/openid-configuration`;

  it('finds the keys once', async () => {
    const asked: string[] = [];
    const verifier = discovering({ [document]: { issuer, jwks_uri: `${issuer}/keys` }, [`${issuer}/keys`]: jwks }, asked);
    for (let i = 0; i < 3; i++) expect(await verifier.authenticate(await sign(), signal)).toHaveProperty('principal');
    expect(asked).toEqual([document, `${issuer}/keys`]);
  });

  it('that fails says that nobody can tell, and is tried again', async () => {
    const answers: Record<string, unknown> = {};
    const verifier = discovering(answers);
    await expect(verifier.authenticate(await sign(), signal)).rejects.toMatchObject({ code: 'AUTHENTICATOR_UNAVAILABLE' });
    answers[document] = { issuer: 'https://impostor.example', jwks_uri: `${issuer}/keys` };
    await expect(verifier.authenticate(await sign(), signal)).rejects.toMatchObject({ code: 'AUTHENTICATOR_UNAVAILABLE' });
    answers[document] = { issuer, jwks_uri: `${issuer}/keys` };
    await expect(verifier.authenticate(await sign(), signal)).rejects.toMatchObject({ code: 'AUTHENTICATOR_UNAVAILABLE' });
    answers[`${issuer}/keys`] = jwks;
    expect(await verifier.authenticate(await sign(), signal)).toHaveProperty('principal');
  });
});

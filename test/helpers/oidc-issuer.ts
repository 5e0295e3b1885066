import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import * as jose from 'jose';

/** A small issuer of OpenID Connect: discovery and keys over HTTPS, on loopback. */
export interface OidcIssuer {
  readonly url: string;
  /** `GET` paths, in order. */
  readonly asked: readonly string[];
  /** While it is false, everything is answered with 503. */
  answers: boolean;
  /** A token of its own, good for ten minutes unless the claims say otherwise. */
  token(claims: jose.JWTPayload): Promise<string>;
  /** One in its name that another key has signed. */
  forged(claims: jose.JWTPayload): Promise<string>;
  close(): Promise<void>;
}

export async function startOidcIssuer(tls: { readonly cert: string; readonly key: string }, audience: string): Promise<OidcIssuer> {
  const [own, other] = [await jose.generateKeyPair('ES256', { extractable: true }), await jose.generateKeyPair('ES256')];
  const keys = { keys: [{ ...(await jose.exportJWK(own.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] };
  const asked: string[] = [];
  const server = createServer(tls, ({ url = '' }, response) => {
    asked.push(url);
    const documents: Record<string, unknown> = {
      '/.well-known/openid-configuration': { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` },
      '/keys': keys,
    };
    const status = !issuer.answers ? 503 : documents[url] === undefined ? 404 : 200;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(documents[url] ?? {}));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const sign = (claims: jose.JWTPayload, key: jose.CryptoKey) =>
    new jose.SignJWT({ iss: issuer.url, aud: audience, exp: Math.floor(Date.now() / 1000) + 600, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .sign(key);
  const issuer: OidcIssuer = {
    ...{ url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, answers: true },
    token: claims => sign(claims, own.privateKey),
    forged: claims => sign(claims, other.privateKey),
    close: async () => {
      const closed = new Promise(resolve => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return issuer;
}

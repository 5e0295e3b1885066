import { readFile } from 'node:fs/promises';
import type { Runtime } from '../domain/runtime.ts';
import type { Connection, Credentials } from './connection.ts';
import { invalid, readFailure } from './kubeconfig-file.ts';

export type Authentication = Pick<Connection, 'credentials' | 'renew'>;

/** Credentials that stand in the kubeconfig and never change. */
export function staticUser(credentials: Credentials): Authentication {
  return { credentials: async () => credentials, renew: () => false };
}

/** Tokens of service accounts are replaced long before they end, so a copy this old is still good. */
const tokenAgeMs = 30_000;

/** A bearer token in a file that somebody else renews, as the kubelet does in a pod. */
export async function tokenFileUser(user: Credentials & { readonly file: string }, runtime: Pick<Runtime, 'now'>): Promise<Authentication> {
  const { file, headers, ...certificate } = user;
  let token = await readToken(file);
  let readAt = runtime.now().getTime();
  return {
    async credentials() {
      if (runtime.now().getTime() - readAt >= tokenAgeMs) {
        // A file that is gone for a moment while it is replaced is no reason to fail.
        token = await readToken(file).catch(() => token);
        readAt = runtime.now().getTime();
      }
      return { headers: { ...headers, authorization: `Bearer ${token}` }, ...certificate };
    },
    renew() {
      readAt = Number.NEGATIVE_INFINITY;
      return true;
    },
  };
}

async function readToken(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((thrown: unknown) => {
    throw invalid(`token file ${file}: ${readFailure(thrown)}`, thrown);
  });
  const token = text.trim();
  if (token === '') throw invalid(`token file ${file}: it is empty`);
  return token;
}

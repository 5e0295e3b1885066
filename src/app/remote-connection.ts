import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { Agent } from 'undici';
import type * as z from 'zod';
import type { identity } from '../api/schemas/common.ts';
import { type Client, createClient } from '../client/client.ts';
import { type Config, required } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import { once } from './adapters.ts';
import { openKeys } from './keys.ts';

/** What a request says about the identity that opens a set. */
export type IdentityField = z.input<typeof identity>;

/** A service that is talked to. */
export interface Connection {
  readonly url: string;
  readonly client: Client;
  /** Undefined where none is configured. KEY_INVALID. */
  identity(): Promise<IdentityField | undefined>;
  close(): Promise<void>;
}

/** By the settings `server` and `identity`. CONFIG_INVALID, KEY_INVALID. */
export async function openConnection({ settings }: Config, runtime: Runtime, onWarning: (text: string) => void): Promise<Connection> {
  const { url: written, tokenFile, caFile, namespaces } = settings.server ?? {};
  const url = new URL(required(written, 'server.url', '--server'));
  if (url.pathname !== '/' || url.search !== '' || url.username !== '') {
    throw new HoldfastError('CONFIG_INVALID', `${url.origin}${url.pathname} is not the address of a service alone`, {
      hint: 'give scheme, host and port: https://holdfast.example.org:8443',
    });
  }
  const file = required(tokenFile, 'server.tokenFile', '--token-file');
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) onWarning(`${url.origin}: the token travels in the clear`);
  const dispatcher = new Agent({ connect: caFile === undefined ? {} : { ca: await readText(caFile) } });
  return {
    url: url.origin,
    client: createClient({
      ...{ url: url.origin, dispatcher, runtime },
      token: tokenOf(file),
      ...(namespaces !== undefined && { namespaces }),
    }),
    identity: once(() => identityOf(settings, onWarning)),
    close: () => dispatcher.destroy(),
  };
}

/** Read anew for every request, so that a token that is renewed is used; a pipe can be read only once, and is remembered. */
function tokenOf(file: string): () => Promise<string> {
  let last: string | undefined;
  return async () => {
    const token = (await readText(file)).trim();
    if (token !== '') last = token;
    if (last === undefined || /\s/.test(last))
      throw new HoldfastError('KEY_INVALID', `${file} does not hold one token`, {
        hint: 'write the bearer token into it, and nothing else',
      });
    return last;
  };
}

async function identityOf(settings: Settings, onWarning: (text: string) => void): Promise<IdentityField | undefined> {
  const there = settings.server?.identity;
  if (there !== undefined) return identityThere(there);
  const own = await openKeys(settings, onWarning).identities();
  return own.length === 0 ? undefined : { value: own.join('\n') };
}

/** `secret:NAMESPACE/NAME/KEY`, `file:NAME`. */
function identityThere(text: string): IdentityField {
  const [, namespace, name, key] = /^secret:([^/]+)\/([^/]+)\/([^/]+)$/.exec(text) ?? [];
  if (namespace !== undefined && name !== undefined && key !== undefined) return { secret: { namespace, name, key } };
  const [, file] = /^file:([^/]+)$/.exec(text) ?? [];
  if (file !== undefined) return { file };
  throw new HoldfastError('CONFIG_INVALID', 'server.identity is neither of the form secret:NAMESPACE/NAME/KEY nor file:NAME');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'));
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    throw new HoldfastError('KEY_INVALID', `${file} cannot be read: ${(thrown as NodeJS.ErrnoException).code}`, {
      cause: thrown,
      hint: 'correct the path',
    });
  }
}

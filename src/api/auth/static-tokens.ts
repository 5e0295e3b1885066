import { timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { sha256Hex } from '../../crypto/digest.ts';
import { HoldfastError } from '../../domain/errors.ts';
import type { Runtime } from '../../domain/runtime.ts';
import type { Authenticator, Principal } from './authenticator.ts';

interface Entry {
  readonly hash: Buffer;
  readonly principal: Principal;
}

const shortestToken = 16;
const rereadMs = 5_000;

export interface StaticTokensOptions {
  /** Lines of `token,user,group1|group2`; `sha256:<hex>` in place of a token, `#` begins a comment. */
  readonly path: string;
  readonly runtime: Pick<Runtime, 'now'>;
  /** Told when the file changed and cannot be used: the tokens of before stay in force. */
  readonly onWarning: (text: string) => void;
}

/**
 * Knows the tokens of a file, which is looked at again every five seconds of use. In memory are only their hashes. CONFIG_INVALID when the file
 * cannot be read or understood at first.
 */
export async function createStaticTokens({ path, runtime, onWarning }: StaticTokensOptions): Promise<Authenticator> {
  let entries = await readTokens(path);
  let readAt = runtime.now().getTime();
  let warned = '';
  const refresh = async () => {
    const now = runtime.now().getTime();
    if (now >= readAt && now - readAt < rereadMs) return;
    readAt = now;
    try {
      entries = await readTokens(path);
      warned = '';
    } catch (thrown) {
      const { message } = thrown as Error;
      if (message !== warned) onWarning(`${message}; the tokens of before stay in force`);
      warned = message;
    }
  };
  return {
    authenticate: async token => {
      await refresh();
      const hash = Buffer.from(sha256Hex(token), 'hex');
      let found: Principal | undefined;
      // All of them, whichever fits: the time taken says nothing.
      for (const entry of entries) if (timingSafeEqual(entry.hash, hash)) found = entry.principal;
      return found === undefined ? undefined : { principal: found };
    },
  };
}

async function readTokens(path: string): Promise<readonly Entry[]> {
  const text = await readFile(path, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    throw new HoldfastError('CONFIG_INVALID', `${path}: the token file cannot be read (${thrown.code})`, { cause: thrown });
  });
  return text
    .split(/\r?\n/)
    .flatMap((line, index) => (line.trim() === '' || line.startsWith('#') ? [] : [entryOf(line, `${path}:${index + 1}`)]));
}

/** Messages never quote the line: a token is in it. */
function entryOf(line: string, where: string): Entry {
  const [token = '', name = '', groups = '', ...more] = line.split(',').map(field => field.trim());
  const invalid = (why: string) =>
    new HoldfastError('CONFIG_INVALID', `${where}: ${why}`, { hint: 'write token,user,group1|group2 on each line of the token file' });
  if (more.length > 0) throw invalid('there are more than three fields');
  if (name === '') throw invalid('there is no user');
  const [, hex] = /^sha256:([0-9a-f]{64})$/.exec(token) ?? [];
  if (hex === undefined && token.length < shortestToken) throw invalid(`the token is shorter than ${shortestToken} characters`);
  return {
    hash: Buffer.from(hex ?? sha256Hex(token), 'hex'),
    principal: { name, groups: groups.split('|').filter(group => group !== '') },
  };
}

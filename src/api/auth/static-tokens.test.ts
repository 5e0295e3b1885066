import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { tempDir } from '../../../test/cluster/temp-dir.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { createStaticTokens } from './static-tokens.ts';

const signal = new AbortController().signal;
let dir = '';
beforeAll(async () => {
  dir = await tempDir('tokens');
});

async function tokens(text: string) {
  const path = join(dir, 'tokens.csv');
  await writeFile(path, text);
  let at = 0;
  const warnings: string[] = [];
  const runtime = { now: () => new Date(at) };
  const authenticator = await createStaticTokens({ path, runtime, onWarning: warning => warnings.push(warning) });
  return { path, warnings, pass: (ms: number) => (at += ms), ask: (token: string) => authenticator.authenticate(token, signal) };
}

describe('a token file', () => {
  it('knows its tokens, in the clear or as digests, and no others', async () => {
    const { ask } = await tokens(
      `# machines\nfirst-token-of-sixteen, ci ,operators|restorers\n\nsha256:${sha256Hex('second-token')},bob\n`,
    );
    expect(await ask('first-token-of-sixteen')).toEqual({ principal: { name: 'ci', groups: ['operators', 'restorers'] } });
    expect(await ask('second-token')).toEqual({ principal: { name: 'bob', groups: [] } });
    for (const wrong of [
      '',
      'first-token-of-sixtee',
      'first-token-of-sixteen ',
      `sha256:${sha256Hex('second-token')}`,
      sha256Hex('second-token'),
    ]) {
      expect(await ask(wrong)).toBeUndefined();
    }
  });

  it('is read again, so that a token can be taken away; a broken file changes nothing', async () => {
    const { ask, path, pass, warnings } = await tokens('token-of-the-first-day,ci');
    await writeFile(path, 'token-of-the-second-day,ci');
    expect(await ask('token-of-the-first-day')).toBeDefined();
    pass(5_000);
    expect(await ask('token-of-the-first-day')).toBeUndefined();
    expect(await ask('token-of-the-second-day')).toBeDefined();
    await writeFile(path, 'short,ci');
    pass(5_000);
    expect(await ask('token-of-the-second-day')).toBeDefined();
    pass(5_000);
    await ask('token-of-the-second-day');
    expect(warnings).toEqual([`${path}:1: the token is shorter than 16 characters; the tokens of before stay in force`]);
  });

  it.each(['brief,ci', 'a-token-that-is-long-enough', 'a-token-that-is-long-enough,ci,group,more'])(
    'that is wrong is refused with its line, and without the token: %s',
    async line => {
      const failed = await tokens(`good-token-of-the-file,ci\n${line}`).catch((thrown: Error) => thrown);
      expect(failed).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('tokens.csv:2: ') });
      expect((failed as Error).message).not.toContain(line.split(',')[0]);
    },
  );
});

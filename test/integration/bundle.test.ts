import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { mainFile } from '../helpers/command.ts';

/** Each name of node:http is asked for its value then, and some load a second undici within Node.js. */
it('the program as it is shipped imports node:http nowhere, and requires it', async () => {
  const dir = dirname(mainFile);
  const files = (await readdir(dir)).filter(name => name.endsWith('.js'));
  const texts = await Promise.all(files.map(async name => [name, await readFile(join(dir, name), 'utf8')] as const));
  expect(texts.filter(([, text]) => text.includes('require("node:http")')).length).toBeGreaterThan(0);
  expect(texts.filter(([, text]) => /(from|import\()\s*"(node:)?http"/.test(text)).map(([name]) => name)).toEqual([]);
});

import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { allEndpoints } from '../../src/api/methods.ts';
import { apiPage, apiPageText } from '../helpers/api-docs.ts';

it('docs/api.md has the roles and the error codes of the code (renew them with: node test/helpers/api-docs.ts)', async () => {
  expect(await readFile(apiPage, 'utf8')).toBe(await apiPageText());
});

it('docs/api.md names every path', async () => {
  const page = await readFile(apiPage, 'utf8');
  for (const { method, path } of allEndpoints()) expect(page).toContain(`\`${method} ${path.replace(/:(\w+)/g, '{$1}')}\``);
});

import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { slowFiles } from '../slow-first.ts';

it.each(slowFiles)('%s, which is begun before others, is there', async file => {
  await expect(access(resolve(import.meta.dirname, '..', file))).resolves.toBeUndefined();
  expect(slowFiles.filter(other => other === file)).toHaveLength(1);
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { containerMemory, goMemoryLimit } from './memory-limit.ts';

const mebibyte = 2 ** 20;
let dir: string;
beforeEach(async () => {
  dir = await tempDir('memory');
});

describe('the memory of a container', () => {
  it.each([
    ['a limit', '1073741824\n', 1024 * mebibyte],
    ['no limit, in version 2', 'max\n', undefined],
    ['no limit, in version 1', '9223372036854771712\n', undefined],
    ['nothing', '', undefined],
  ])('is read where there is %s', async (_, text, bytes) => {
    await writeFile(join(dir, 'limit'), text);
    expect(await containerMemory([join(dir, 'nowhere'), join(dir, 'limit')])).toBe(bytes);
  });

  it('leaves room for the mover itself', () => {
    for (const container of [256, 512, 1024, 4096]) {
      const bytes = Number(goMemoryLimit(container * mebibyte));
      expect(bytes).toBeLessThan((container - 100) * mebibyte);
      expect(bytes).toBeGreaterThanOrEqual(64 * mebibyte);
    }
  });
});

import { mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { generateKeyFiles } from './generate-keys.ts';

let dir: string;
beforeEach(async () => {
  dir = await tempDir('keys');
});

const refusal = { code: 'KEY_INVALID', message: expect.stringContaining('cannot make the folder'), hint: expect.stringContaining('--out') };

it('makes the folder with what it lies in, for its owner alone', async () => {
  await generateKeyFiles(join(dir, 'away', 'keys'));
  expect((await stat(join(dir, 'away', 'keys'))).mode & 0o777).toBe(0o700);
  expect((await stat(join(dir, 'away', 'keys', 'operator.identity'))).isFile()).toBe(true);
});

it('takes a folder that is there, by a link too', async () => {
  await mkdir(join(dir, 'real'));
  await symlink(join(dir, 'real'), join(dir, 'link'));
  await generateKeyFiles(join(dir, 'link'));
  expect((await stat(join(dir, 'real', 'signing.key'))).isFile()).toBe(true);
});

it('says where no folder can be', async () => {
  await writeFile(join(dir, 'file'), '');
  await symlink(join(dir, 'nowhere'), join(dir, 'dangling'));
  for (const path of ['file', 'file/keys', 'dangling/keys']) await expect(generateKeyFiles(join(dir, path))).rejects.toMatchObject(refusal);
});

it.runIf(process.platform === 'linux')('ends where a file system lets nothing be made', async () => {
  await expect(generateKeyFiles('/proc/holdfast/keys')).rejects.toMatchObject(refusal);
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../cluster/temp-dir.ts';

const projectDir = resolve(import.meta.dirname, '../..');

describe('a folder for a test', () => {
  it('is its own, nobody else may look into it, and who runs as somebody else finds the way through', async () => {
    const [one, other] = await Promise.all([tempDir('same'), tempDir('same')]);
    expect(one).not.toBe(other);
    expect([dirname(one), one].map(dir => statSync(dir).mode & 0o777)).toEqual([0o711, 0o700]);
  });

  it('goes with its process, also when that is killed', { timeout: 90_000 }, async () => {
    const module = pathToFileURL(join(projectDir, 'test/cluster/temp-dir.ts')).href;
    const program = `console.log(await (await import('${module}')).tempDir('killed')); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    try {
      const [dir] = (await once(createInterface(child.stdout), 'line')) as [string];
      await writeFile(join(dir, 'file'), 'content');
      child.kill('SIGKILL');
      await ended;
      await expect.poll(() => existsSync(dirname(dir)), { timeout: 60_000, interval: 50 }).toBe(false);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

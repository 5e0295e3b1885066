import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';

it('the demonstration does the main job to its end', { timeout: 400_000 }, async () => {
  const child = spawn(process.execPath, [resolve(import.meta.dirname, '../demo/main.ts')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: AbortSignal.timeout(380_000),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const exit = await new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  const text = stripVTControlCharacters(output);
  expect(exit, text).toBe(0);
  expect(text).toContain('does not answer any more; its data folder is deleted');
  expect(text).toMatch(/live-finishing: Succeeded; .*nothing of it ran on this cluster/);
  expect(text).toMatch(/live-half-done, resumed: Succeeded; .*ran on this cluster: test$/m);
  expect(text).toMatch(/checks +\d+ passed, 0 failed/);
});

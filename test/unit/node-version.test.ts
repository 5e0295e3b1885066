import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { mainFile } from '../helpers/command.ts';

it('an old Node.js is told so in words, before anything that it lacks', () => {
  const pretend = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '20.20.2' })`;
  const { status, stderr, stdout } = spawnSync(process.execPath, ['--import', pretend, mainFile, 'version'], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^error: Holdfast needs Node\.js 24 or newer, and this is 20\.20\.2 \(.+\)\nhint: /);
});

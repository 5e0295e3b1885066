import { describe, expect, it, onTestFinished } from 'vitest';
import { runCli } from '../../src/cli/run.ts';
import type { TextStream } from '../../src/cli/terminal.ts';
import { configMap, makeRepository, writeSet } from '../contract/repository-fixture.ts';

const run = (...line: string[]) => runOn({}, {}, ...line);

async function runOn(stream: Partial<TextStream>, variables: Record<string, string>, ...line: string[]) {
  const said: string[] = [];
  const terminal: TextStream = { ...stream, write: text => said.push(text) };
  const exit = await runCli([...line, '--no-color'], {
    terminal: { stdout: terminal, stderr: terminal },
    signal: new AbortController().signal,
    environment: { variables, directory: '/nowhere', home: '/home/someone' },
    now: () => new Date(0),
  });
  return { exit, said: said.join('') };
}

describe('an empty value, as an unset variable of a script leaves it', () => {
  it.each([
    ['restore', 'create', 'latest', '--yes', '-n', ''],
    ['restore', 'create', 'latest', '--yes', '--namespace', ' , '],
    ['restore', 'plan', 'latest', '--kinds='],
    ['restore', 'plan', 'latest', '--names', ''],
    ['restore', 'plan', 'latest', '-l', ''],
    ['validate', 'latest', '-n', ''],
    ['backup', 'create', '--include-namespaces', ''],
    ['backup', 'create', '--exclude-namespaces', ''],
    ['backup', 'create', '-l', ' '],
    ['backup', 'get', '--server', 'https://holdfast', '--server-namespaces', ''],
    ['volumes', 'restore', 'latest', 'a/b', '--in-place', '--include', ''],
  ])('never means everything: %s %s %s %s %s %s', async (...line) => {
    const { exit, said } = await run(...line.filter(word => word !== undefined));
    expect(exit).toBe(2);
    expect(said).toContain('It names nothing; where nothing is to be named, leave the option away.');
    expect(said).toMatch(/hint: see holdfast [a-z ]+ --help/);
  });
});

describe('a line that makes no sense is refused before anything is asked for', () => {
  it.each([
    [['restore', 'plan', 'latest', '--map-namespace', 'a'], 'holdfast restore plan --help'],
    [['restore', 'create', 'latest', '--yes', '--volume-size-mapping', 'a/b=many'], 'holdfast restore create --help'],
    [['validate', 'latest', '--storage-class-mapping', 'fast'], 'holdfast validate --help'],
    [['restore', 'create', 'latest', '--dry-run', '--validate'], 'leave one of the two away'],
    [['volumes', 'files', 'latest', 'workspace'], 'holdfast volumes files --help'],
  ])('%j', async (line, hint) => {
    const { exit, said } = await run(...line);
    expect([exit, said]).toEqual([2, expect.stringContaining(`hint: ${hint.startsWith('holdfast') ? `see ${hint}` : hint}`)]);
    expect(said).not.toContain('location');
  });
});

it.each([
  ['xterm', true],
  ['dumb', false],
])('a terminal of the kind %s is written over: %s', async (TERM, over) => {
  const { repository, keys, dir, remove } = await makeRepository();
  onTestFinished(remove);
  await writeSet(repository, keys, { id: '20261120T020000Z-daily-aaaa', objects: [configMap('settings')] });
  const { exit, said } = await runOn({ isTTY: true, columns: 80 }, { TERM, NO_COLOR: '1' }, 'verify', '--location', dir);
  expect(exit, said).toBe(0);
  expect(said.includes('\x1b[')).toBe(over);
});

import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { CommandSpec } from '../../src/cli/command.ts';
import { bashScript } from '../../src/cli/completion/bash.ts';
import { fishScript } from '../../src/cli/completion/fish.ts';
import { placesOf } from '../../src/cli/completion/places.ts';
import { zshScript } from '../../src/cli/completion/zsh.ts';
import { longName, sharedFlags } from '../../src/cli/flags.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { serviceFlags } from '../../src/cli/service-flags.ts';
import { plainStyle } from '../../src/cli/style.ts';
import { tree } from '../../src/cli/tree.ts';
import { settingLeaves, settingPaths } from '../../src/config/schema.ts';
import { exitCodes } from '../../src/domain/errors.ts';
import { commandIn } from '../helpers/command-lines.ts';

const commands: { readonly line: string; readonly spec: CommandSpec }[] = tree.flatMap(node =>
  'commands' in node ? node.commands.map(spec => ({ line: `${node.name} ${spec.name}`, spec })) : [{ line: node.name, spec: node }],
);

function helpOf(line: string): string {
  let printed = '';
  const program = buildProgram(tree, {
    style: plainStyle,
    columns: 100,
    print: text => {
      printed += text;
    },
    printError: () => {},
    run: async () => {},
  });
  try {
    program.parse([...line.split(' ').filter(word => word !== ''), '--help'], { from: 'user' });
  } catch {
    // Help ends the parsing by an exception.
  }
  return printed;
}

describe('every command’s help', () => {
  it.each(commands)('$line: purpose, usage, examples that parse, flags, exit status', ({ line, spec }) => {
    const help = helpOf(line);
    expect(help.split('\n')[0]).toBe(`${spec.summary}.`);
    expect(help).toContain(`USAGE\n  holdfast ${line} `);
    expect(help).toContain('\nEXAMPLES\n');
    expect(help).toContain(`holdfast ${line}`);
    for (const flag of spec.flags ?? []) expect(help).toContain(flag.flags);
    for (const group of spec.uses) for (const flag of sharedFlags[group]) expect(help).toContain(flag.flags);
    const status = help.slice(help.indexOf('\nEXIT STATUS\n'));
    for (const code of [...Object.keys(spec.exits), exitCodes.usage, exitCodes.interrupted])
      expect(status).toMatch(new RegExp(`\\n  ${code} `));
  });

  it.each(commands)('$line: names only exit codes of the table, and formats that exist', ({ spec }) => {
    for (const code of Object.keys(spec.exits)) expect(Object.values(exitCodes)).toContain(Number(code));
    expect(spec.outputs.length).toBeGreaterThan(0);
  });

  it.each(commands.flatMap(({ line, spec }) => spec.examples.map(example => ({ line, example: example.line }))))(
    '$line: $example is a line that is understood',
    ({ example }) => {
      expect(commandIn(example)).toBeDefined();
    },
  );

  it('fits into 100 columns', () => {
    for (const { line } of commands) {
      const flags = helpOf(line)
        .split('\n')
        .filter(text => !/^ {2}(holdfast|#|id=)/.test(text));
      for (const text of flags) expect(text.length, `${line}: ${text}`).toBeLessThanOrEqual(100);
    }
  });
});

describe('the program’s help', () => {
  it('names every command with its purpose, but for those that only our own programs call', () => {
    const help = helpOf('').replace(/\s+/g, ' ');
    const hidden = commands.filter(({ spec }) => spec.hidden === true).map(({ line }) => line);
    for (const { line, spec } of commands) expect(help.includes(`${line} ${spec.summary}`), line).toBe(!hidden.includes(line));
    expect(hidden).toEqual(['mover']);
  });
});

describe('flags', () => {
  it('that are settings name a setting that exists', () => {
    const flags = [...Object.values(sharedFlags).flat(), ...commands.flatMap(({ spec }) => spec.flags ?? [])];
    for (const flag of flags) if (flag.setting !== undefined) expect(settingPaths, flag.flags).toContain(flag.setting);
  });

  it('give every setting that is no map, but none twice', () => {
    const given = new Map<string, Set<string>>();
    for (const flag of [...Object.values(sharedFlags).flat(), ...serviceFlags, ...commands.flatMap(({ spec }) => spec.flags ?? [])]) {
      if (flag.setting !== undefined) given.set(flag.setting, (given.get(flag.setting) ?? new Set()).add(longName(flag)));
    }
    const flaggable = settingLeaves.filter(leaf => !leaf.fileOnly).map(leaf => leaf.path);
    expect([...given.keys()].sort()).toEqual(flaggable.sort());
    expect([...given].filter(([, names]) => names.size > 1)).toEqual([]);
  });

  it('do not mean one thing for all commands and another for one', () => {
    const shared = Object.values(sharedFlags).flatMap(flags =>
      flags.flatMap(flag => flag.flags.split(/[ ,]+/).filter(word => word.startsWith('-'))),
    );
    for (const { line, spec } of commands) {
      const own = (spec.flags ?? []).flatMap(flag => flag.flags.split(/[ ,]+/).filter(word => word.startsWith('-')));
      expect(
        own.filter(name => shared.includes(name)),
        line,
      ).toEqual([]);
    }
  });
});

describe('completion', () => {
  const places = placesOf(tree);
  const script = `${bashScript(places)}
    COMP_WORDS=(holdfast "$@"); COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
    compopt() { :; }; _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const complete = (...words: string[]) =>
    execFileSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' })
      .trim()
      .split('\n');

  it.each([
    [['b'], ['backup']],
    [
      ['backup', ''],
      ['create', 'get', 'describe', 'delete', '-h', '--help'],
    ],
    [['--location', 'backup', 'restore', 'p'], ['plan']],
    [
      ['backup', 'create', '--location', 'x', '--ti'],
      ['--tier', '--timeout'],
    ],
    [
      ['version', '-o', ''],
      ['table', 'json', 'yaml', 'name'],
    ],
    [['restore', 'create', 'latest', '--existing', 'r'], ['recreate']],
    [['verify', 'la'], ['latest']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish', '-h', '--help'],
    ],
  ])('in bash completes %j', (words, expected) => expect(complete(...words)).toEqual(expected));

  it('in zsh and fish knows every command and flag', () => {
    const zsh = zshScript(places);
    const fish = fishScript(places);
    for (const { line, spec } of commands) {
      if (spec.hidden === true) {
        expect(`${zsh}${fish}`).not.toContain(spec.summary);
        continue;
      }
      expect(zsh).toContain(`_holdfast_${line.replaceAll(' ', '_')}()`);
      for (const flag of spec.flags ?? []) {
        expect(zsh).toContain(`${longName(flag)}[`);
        expect(fish).toContain(` -l ${longName(flag).slice(2)}`);
      }
    }
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandBranch, CommandSpec } from '../../src/cli/command.ts';
import type { Flag } from '../../src/cli/flags.ts';
import { allSharedFlags, buildProgram } from '../../src/cli/program.ts';
import { plainStyle } from '../../src/cli/style.ts';
import { tree } from '../../src/cli/tree.ts';
import { documents, projectRoot } from './documents.ts';

/** The command that a shell line with `holdfast …` in it would run; throws when the line is not understood. */
export function commandIn(line: string): CommandSpec | undefined {
  const words = /holdfast ([^|>)#]*)/.exec(line)?.[1]?.match(/'[^']*'|"[^"]*"|\S+/g) ?? [];
  let ran: CommandSpec | undefined;
  const run = async (spec: CommandSpec) => {
    ran = spec;
  };
  const program = buildProgram(tree, { style: plainStyle, columns: 100, print: () => {}, printError: () => {}, run });
  program.parse(
    words.map(word => word.replace(/^['"]|['"]$/g, '')),
    { from: 'user' },
  );
  return ran;
}

/** A text of a document, with the document it stands in. */
export interface Documented {
  readonly file: string;
  readonly text: string;
}

/** Where a command of a shell begins: at the line’s beginning or after a prompt, a pipe and the like; with variables before it, or a folder. */
const commandLine = /(?<=^|\$\(|[|;&] )[ \t]*(?:\$ )?(?:[A-Z_]+=\S* )*(?:\S*\/)?(holdfast [a-z].*)$/gm;

/** Command lines in fenced blocks; one that ends in \\ goes on in the next line. */
export function documentedLines(): readonly Documented[] {
  return documents.flatMap(file =>
    fencedBlocks(file).flatMap(block => [...block.matchAll(commandLine)].map(([, text]) => ({ file, text: text! }))),
  );
}

/** What stands between backticks in the text around the blocks. */
export function documentedSpans(): readonly Documented[] {
  return documents.flatMap(file => {
    const around = textOf(file).replace(/^```[\s\S]*?^```/gm, '');
    return [...around.matchAll(/`([^`\n]+)`/g)].map(([, text]) => ({ file, text: text! }));
  });
}

export function fencedBlocks(file: string): readonly string[] {
  return [...textOf(file).matchAll(/```[^\n]*\n([\s\S]*?)```/g)].map(([, block]) => block!.replaceAll('\\\n', ' '));
}

function textOf(file: string): string {
  return readFileSync(join(projectRoot, file), 'utf8');
}

/**
 * What is wrong with words of a sentence that name a command: they may leave out its arguments and flags, and say `run|plan` of two commands, but
 * name none that is not there.
 */
export function wrongIn(mention: string): readonly string[] {
  const words = mention.split(/[\s=]+/).slice(1);
  const node = tree.find(({ name }) => name === words[0]);
  if (node === undefined) return [`there is no command ${words[0]}`];
  const specs = specsOf(node, words[1]);
  if (specs.length === 0) return [`${node.name} has no ${words[1]}`];
  return words
    .filter(word => word.startsWith('-'))
    .filter(word => !specs.every(spec => flagNames([...allSharedFlags, ...(spec.flags ?? [])]).has(word)))
    .map(word => `there is no ${word}`);
}

function specsOf(node: CommandSpec | CommandBranch, names: string | undefined): readonly CommandSpec[] {
  if (!('commands' in node)) return [node];
  if (names === undefined) return node.commands;
  const found = names.split('|').map(name => node.commands.find(spec => spec.name === name));
  return found.every(spec => spec !== undefined) ? found : [];
}

/** Every flag of every command, as it is written. */
export function allFlagNames(): ReadonlySet<string> {
  const specs = tree.flatMap(node => ('commands' in node ? node.commands : [node]));
  return flagNames([...allSharedFlags, ...specs.flatMap(({ flags = [] }) => flags)]);
}

function flagNames(flags: readonly Flag[]): ReadonlySet<string> {
  return new Set(['-h', '--help', ...flags.flatMap(flag => flag.flags.split(/[ ,]+/).filter(word => word.startsWith('-')))]);
}

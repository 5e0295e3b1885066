import type { Command, Help } from 'commander';
import { exitCodes } from '../domain/errors.ts';
import type { CommandSpec } from './command.ts';
import { type Flag, type FlagGroup, groupTitles, sharedFlags } from './flags.ts';
import { width, wrapped } from './format.ts';
import type { Style } from './style.ts';

const commonExits: Readonly<Record<number, string>> = {
  [exitCodes.usage]: 'the command line, the configuration or a key file is wrong; nothing was done',
  [exitCodes.interrupted]: 'interrupted by Ctrl-C or a signal',
};

/** Help of a command: purpose, usage, examples, options by group, exit status. */
export function commandHelp(command: Command, spec: CommandSpec, helper: Help, style: Style): string {
  const columns = Math.min(helper.helpWidth ?? 100, 110);
  const groups = (['identity', 'keys', 'repository', 'cluster', 'server', 'output', 'general'] satisfies FlagGroup[]).filter(group =>
    spec.uses.includes(group),
  );
  const args = (spec.arguments ?? []).map(argument => [argument.term, argument.text] as const);
  return [
    `${spec.summary}.`,
    ...(spec.details === undefined ? [] : ['', ...spec.details.split('\n').flatMap(line => wrapped(line, columns))]),
    ...section('USAGE', [helper.commandUsage(command)], style),
    ...section('EXAMPLES', exampleLines(spec, style), style),
    ...section('ARGUMENTS', terms(args, columns), style),
    ...section('FLAGS', flagLines(spec.flags ?? [], columns), style),
    ...groups.flatMap(group => section(`${groupTitles[group]} FLAGS`, flagLines(forCommand(group, spec), columns), style)),
    ...section('EXIT STATUS', exitLines(spec, columns), style),
    '',
  ].join('\n');
}

/** Help of the program or a branch: purpose, usage, what commands there are. */
export function branchHelp(command: Command, helper: Help, style: Style, extra: readonly string[]): string {
  const columns = Math.min(helper.helpWidth ?? 100, 110);
  const commands = helper.visibleCommands(command).filter(child => child.name() !== 'help');
  const lines = commands
    .flatMap(child => (child.commands.length === 0 ? [child] : [...child.commands]))
    .map(child => [callName(child), child.description()] as const);
  return [
    `${command.description()}.`,
    ...section('USAGE', [`${helper.commandUsage(command).replace(' [options]', '')}`], style),
    ...section('COMMANDS', terms(lines, columns), style),
    ...extra,
    '',
  ].join('\n');
}

/** Without the program's name: `backup create`. */
function callName(command: Command): string {
  const parent = command.parent;
  return parent?.parent == null ? command.name() : `${parent.name()} ${command.name()}`;
}

/** A titled, indented block; nothing where there are no lines. */
export function section(title: string, lines: readonly string[], style: Style): string[] {
  return lines.length === 0 ? [] : ['', style.bold(title), ...lines.map(line => (line === '' ? '' : `  ${line}`))];
}

function exampleLines(spec: CommandSpec, style: Style): string[] {
  return spec.examples.flatMap(({ what, line }, i) => [...(i === 0 ? [] : ['']), style.dim(`# ${what}`), ...line.split('\n')]);
}

function forCommand(group: FlagGroup, spec: CommandSpec): Flag[] {
  return sharedFlags[group].map(flag =>
    flag.choices === undefined
      ? flag
      : { ...flag, text: `${spec.outputs.join(', ').replace(/, (\w+)$/, ' or $1')} (default ${spec.outputs[0]})` },
  );
}

function flagLines(flags: readonly Flag[], columns: number): string[] {
  const shown = flags.map(flag => [flag.flags.startsWith('--') ? `    ${flag.flags}` : flag.flags, flag.text] as const);
  return terms(shown, columns);
}

function exitLines(spec: CommandSpec, columns: number): string[] {
  const codes = Object.entries({ ...commonExits, ...spec.exits }).sort(([a], [b]) => Number(a) - Number(b));
  return terms(codes, columns);
}

function terms(items: readonly (readonly [string, string])[], columns: number): string[] {
  const wide = Math.max(0, ...items.map(([term]) => width(term)));
  return items.flatMap(([term, text]) =>
    wrapped(text, Math.max(30, columns - wide - 6)).map((line, i) => `${i === 0 ? term.padEnd(wide) : ' '.repeat(wide)}   ${line}`),
  );
}

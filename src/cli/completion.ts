import type { CommandBranch, CommandSpec } from './command.ts';
import { type Flag, type FlagGroup, sharedFlags, toOption } from './flags.ts';

export type Shell = 'bash' | 'zsh' | 'fish';

/** What may follow the words of one command. */
interface Place {
  /** `backup create`; empty for the program itself. */
  readonly words: string;
  readonly commands: readonly { readonly name: string; readonly text: string }[];
  readonly flags: readonly Flag[];
  /** Fixed values of its argument. */
  readonly values: readonly string[];
}

const help: Flag = { flags: '-h, --help', text: 'this text' };
const groups = Object.keys(sharedFlags) as FlagGroup[];

/** A script for the shell, made from the tree of commands; it needs nothing of Holdfast when it runs. */
export function completionScript(shell: Shell, tree: readonly (CommandSpec | CommandBranch)[]): string {
  const places = placesOf(tree);
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](places);
}

function placesOf(tree: readonly (CommandSpec | CommandBranch)[]): Place[] {
  const place = (spec: CommandSpec, words: string): Place => ({
    words,
    commands: [],
    flags: [
      ...(spec.flags ?? []),
      ...groups.filter(group => spec.uses.includes(group)).flatMap(group => forOutputs(sharedFlags[group], spec)),
      help,
    ],
    values: (spec.arguments ?? []).flatMap(argument => argument.choices ?? (argument.term.includes('backup') ? ['latest'] : [])),
  });
  const inner = tree.flatMap(node =>
    'commands' in node
      ? [
          { words: node.name, commands: node.commands.map(({ name, summary }) => ({ name, text: summary })), flags: [help], values: [] },
          ...node.commands.map(spec => place(spec, `${node.name} ${spec.name}`)),
        ]
      : [place(node, node.name)],
  );
  return [{ words: '', commands: tree.map(({ name, summary }) => ({ name, text: summary })), flags: [help], values: [] }, ...inner];
}

function forOutputs(flags: readonly Flag[], spec: CommandSpec): Flag[] {
  return flags.map(flag => (flag.choices === undefined ? flag : { ...flag, choices: spec.outputs }));
}

function names(flag: Flag): string[] {
  const { short, long } = toOption(flag);
  return [short, long].filter(name => name !== undefined);
}

function takesValue(flag: Flag): boolean {
  return toOption(flag).required;
}

/** Which command the line is at: its words that are commands, values of flags left out. */
function bashScript(places: readonly Place[]): string {
  const all = places.flatMap(place => place.flags);
  const valued = [...new Set(all.filter(takesValue).flatMap(names))].join('|');
  const branches = places.filter(place => place.commands.length > 0 && place.words !== '').map(place => place.words);
  const line = (place: Place) => {
    const words = [...place.commands.map(command => command.name), ...place.values, ...place.flags.flatMap(names)];
    return `    ${JSON.stringify(place.words)}) words=${JSON.stringify(words.join(' '))} ;;`;
  };
  const values = new Map<string, string>();
  for (const place of places) {
    for (const flag of place.flags.filter(takesValue)) {
      const how =
        flag.choices !== undefined
          ? `-W "${flag.choices.join(' ')}"`
          : flag.completes === 'directory'
            ? '-d'
            : flag.completes === 'file'
              ? '-f'
              : '-W ""';
      values.set(`${place.words}:${names(flag).join(`|${place.words}:`)}`, how);
    }
  }
  const byHow = Map.groupBy(values, ([, how]) => how);
  const cases = [...byHow].map(
    ([how, entries]) =>
      `    ${entries
        .map(([names]) =>
          names
            .split('|')
            .map(name => JSON.stringify(name))
            .join('|'),
        )
        .join('|')}) COMPREPLY=($(compgen ${how} -- "$cur")); return ;;`,
  );
  return `# bash completion for holdfast
_holdfast() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at="" words="" i word
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$word" in
    ${valued}) ((i++)) ;;
    -*) ;;
    *) case "$at" in
      "") at=$word ;;
      ${branches.join('|')}) at="$at $word" ;;
      esac ;;
    esac
  done
  case "$at:$prev" in
${cases.join('\n')}
  esac
  case "$at" in
${places.map(line).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o filenames -o default -F _holdfast holdfast
`;
}

const zshQuote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const zshText = (text: string) => text.replace(/[[\]:]/g, '\\$&');

function zshScript(places: readonly Place[]): string {
  const functionName = (words: string) => `_holdfast${words === '' ? '' : `_${words.replaceAll(' ', '_')}`}`;
  const flagSpec = (flag: Flag) => {
    const value = !takesValue(flag)
      ? ''
      : `:value:${flag.choices !== undefined ? `(${flag.choices.join(' ')})` : flag.completes === 'directory' ? '_files -/' : flag.completes === 'file' ? '_files' : ' '}`;
    return names(flag).map(name => zshQuote(`${flag.many === true ? '*' : ''}${name}[${zshText(flag.text)}]${value}`));
  };
  const body = (place: Place) => {
    const flags = place.flags.flatMap(flagSpec).join(' \\\n    ');
    if (place.commands.length === 0)
      return `  _arguments -s \\\n    ${flags}${place.values.length > 0 ? ` \\\n    ${zshQuote(`1:value:(${place.values.join(' ')})`)}` : ''}`;
    const commands = place.commands.map(command => `    ${zshQuote(`${command.name}:${zshText(command.text)}`)}`).join('\n');
    const cases = place.commands
      .map(command => `      ${command.name}) ${functionName(`${place.words} ${command.name}`.trim())} ;;`)
      .join('\n');
    return `  local line state\n  local -a commands=(\n${commands}\n  )\n  _arguments -C -s \\\n    ${flags} \\\n    '1: :->command' '*:: :->rest'\n  case $state in\n    command) _describe command commands ;;\n    rest) case $line[1] in\n${cases}\n    esac ;;\n  esac`;
  };
  return `#compdef holdfast\n${places.map(place => `${functionName(place.words)}() {\n${body(place)}\n}`).join('\n')}\n_holdfast "$@"\n`;
}

function fishScript(places: readonly Place[]): string {
  const quote = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`;
  const when = (place: Place) => {
    const [first, second] = place.words.split(' ');
    if (place.words === '') return "'__fish_use_subcommand'";
    const without =
      place.commands.length > 0 ? `; and not __fish_seen_subcommand_from ${place.commands.map(command => command.name).join(' ')}` : '';
    return `'__fish_seen_subcommand_from ${first}${second === undefined ? without : `; and __fish_seen_subcommand_from ${second}`}'`;
  };
  const flagLine = (place: Place, flag: Flag) => {
    const { short, long } = toOption(flag);
    const value = !takesValue(flag)
      ? ''
      : flag.choices !== undefined
        ? ` -x -a ${quote(flag.choices.join(' '))}`
        : flag.completes === 'directory'
          ? " -x -a '(__fish_complete_directories)'"
          : flag.completes === 'file'
            ? ' -r -F'
            : ' -x';
    return `complete -c holdfast -n ${when(place)}${short === undefined ? '' : ` -s ${short.slice(1)}`}${long === undefined ? '' : ` -l ${long.slice(2)}`}${value} -d ${quote(flag.text)}`;
  };
  const lines = places.flatMap(place => [
    ...place.commands.map(command => `complete -c holdfast -n ${when(place)} -a ${command.name} -d ${quote(command.text)}`),
    ...place.values.map(value => `complete -c holdfast -n ${when(place)} -a ${quote(value)}`),
    ...place.flags.map(flag => flagLine(place, flag)),
  ]);
  return `# fish completion for holdfast\ncomplete -c holdfast -f\n${lines.join('\n')}\n`;
}

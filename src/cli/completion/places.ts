import type { CommandBranch, CommandSpec } from '../command.ts';
import { type Flag, type FlagGroup, sharedFlags, toOption } from '../flags.ts';

/** What may follow the words of one command. */
export interface Place {
  /** `backup create`; empty for the program itself. */
  readonly words: string;
  readonly commands: readonly { readonly name: string; readonly text: string }[];
  readonly flags: readonly PlaceFlag[];
  /** Fixed values of its argument. */
  readonly values: readonly string[];
}

export interface PlaceFlag {
  /** `-o` and `--output`. */
  readonly names: readonly string[];
  readonly text: string;
  readonly repeats: boolean;
  readonly value: FlagValueKind;
}

/** What follows a flag: nothing, one of some words, a path, or anything. */
export type FlagValueKind = 'none' | 'any' | 'file' | 'directory' | readonly string[];

const help: PlaceFlag = { names: ['-h', '--help'], text: 'help', repeats: false, value: 'none' };

/** The tree of commands as a completion needs it: the program, its branches, its commands. */
export function placesOf(all: readonly (CommandSpec | CommandBranch)[]): Place[] {
  const tree = all.filter(node => 'commands' in node || node.hidden !== true);
  const listed = (nodes: readonly { name: string; summary: string }[]) => nodes.map(({ name, summary }) => ({ name, text: summary }));
  return [
    { words: '', commands: listed(tree), flags: [help], values: [] },
    ...tree.flatMap(node =>
      'commands' in node
        ? [
            { words: node.name, commands: listed(node.commands), flags: [help], values: [] },
            ...node.commands.map(spec => commandPlace(spec, `${node.name} ${spec.name}`)),
          ]
        : [commandPlace(node, node.name)],
    ),
  ];
}

function commandPlace(spec: CommandSpec, words: string): Place {
  const groups = (Object.keys(sharedFlags) as FlagGroup[]).filter(group => spec.uses.includes(group));
  const shared = groups
    .flatMap(group => sharedFlags[group])
    .map(flag => (flag.choices === undefined ? flag : { ...flag, choices: spec.outputs }));
  return {
    words,
    commands: [],
    flags: [...[...(spec.flags ?? []), ...shared].map(placeFlag), help],
    values: (spec.arguments ?? []).flatMap(argument => argument.choices ?? (argument.term.includes('backup') ? ['latest'] : [])),
  };
}

function placeFlag(flag: Flag): PlaceFlag {
  const { short, long, required } = toOption(flag);
  return {
    names: [short, long].filter(name => name !== undefined),
    text: flag.text,
    repeats: flag.many === true,
    value: required ? (flag.choices ?? flag.completes ?? 'any') : 'none',
  };
}

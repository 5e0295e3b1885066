import { Argument, Command, type Help } from 'commander';
import type { CommandBranch, CommandSpec } from './command.ts';
import { type Flag, sharedFlags, toOption } from './flags.ts';
import { branchHelp, commandHelp, section } from './help.ts';
import type { Style } from './style.ts';

export interface ProgramOptions {
  readonly style: Style;
  readonly columns: number;
  /** Prints help that was asked for. */
  readonly print: (text: string) => void;
  /** Prints help that was not asked for, before an error. */
  readonly printError: (text: string) => void;
  /** Runs the command that the line names. */
  readonly run: (spec: CommandSpec, command: Command) => Promise<void>;
}

/** All options that any command shares. */
export const allSharedFlags: readonly Flag[] = Object.values(sharedFlags).flat();

export const rootSummary = 'Holdfast backs up a Kubernetes cluster, brings it back, and proves that it can';

const rootNotes = (style: Style) => [
  ...section(
    'FIRST STEPS',
    [
      'holdfast keys generate --out ./keys',
      'holdfast init --location file:///backups --keys-dir ./keys',
      'holdfast backup create --location file:///backups --keys-dir ./keys',
      'holdfast restore plan latest --location file:///backups --keys-dir ./keys --identity ./keys/operator.identity',
    ],
    style,
  ),
  ...section(
    'CONFIGURATION',
    [
      'Every setting can be given as a flag, as HOLDFAST_<NAME> in the environment, or in a YAML file named by',
      '--config or HOLDFAST_CONFIG. A flag wins over the environment, the environment over the file.',
      '-v says which settings are in force and where each came from.',
    ],
    style,
  ),
  '',
  "See 'holdfast <command> --help' for flags, examples and exit status of a command.",
];

/** The tree of commands. Parsing throws CommanderError for a wrong line and for help that was printed. */
export function buildProgram(tree: readonly (CommandSpec | CommandBranch)[], options: ProgramOptions): Command {
  const program = new Command('holdfast').description(rootSummary).exitOverride();
  program.configureOutput({
    writeOut: options.print,
    writeErr: options.printError,
    outputError: () => {},
    getOutHelpWidth: () => options.columns,
    getErrHelpWidth: () => options.columns,
  });
  program.configureHelp({
    formatHelp: (command, helper) => branchHelp(command, helper, options.style, command === program ? rootNotes(options.style) : []),
  });
  program.usage('<command> [flags]').helpOption('-h, --help', 'this text');
  for (const flag of allSharedFlags) program.addOption(toOption(flag));
  for (const node of tree) {
    if (!('commands' in node)) {
      addCommand(program, node, options);
      continue;
    }
    const branch = program.command(node.name).description(node.summary).usage('<command> [flags]');
    for (const spec of node.commands) addCommand(branch, spec, options);
  }
  return program;
}

function addCommand(parent: Command, spec: CommandSpec, options: ProgramOptions): void {
  const command = parent
    .command(spec.name, { hidden: spec.hidden === true })
    .description(spec.summary)
    .usage(`${(spec.arguments ?? []).map(argument => `${argument.term} `).join('')}[flags]`);
  for (const { term, text, choices } of spec.arguments ?? []) {
    const argument = new Argument(term, text);
    command.addArgument(choices === undefined ? argument : argument.choices(choices));
  }
  for (const flag of spec.flags ?? []) command.addOption(toOption(flag));
  command.configureHelp({ formatHelp: (self: Command, helper: Help) => commandHelp(self, spec, helper, options.style) });
  command.action(() => options.run(spec, command));
}

/** The deepest command that the words of a line name, for `see … --help`. */
export function namedCommand(program: Command, argv: readonly string[]): Command {
  let command = program;
  for (const word of argv) {
    const child = command.commands.find(candidate => candidate.name() === word);
    if (child !== undefined) command = child;
  }
  return command;
}

/** `holdfast backup create` */
export function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

import { type Command, CommanderError } from 'commander';
import type { Environment } from '../config/environment.ts';
import { asHoldfastError, errorTable, exitCodes, HoldfastError } from '../domain/errors.ts';
import { buildProgram, fullName, namedCommand } from './program.ts';
import { styleFor } from './style.ts';
import { columnsOf, type Terminal } from './terminal.ts';
import { tree } from './tree.ts';

/** What the command line has of the process; a test brings its own. */
export interface Host {
  readonly terminal: Terminal;
  /** Aborted by the first Ctrl-C, with a HoldfastError as its reason. */
  readonly signal: AbortSignal;
  readonly environment: Environment;
  now(): Date;
  /** Told what the first Ctrl-C will leave, as soon as it is known. */
  onStart?(whenStopped: string): void;
  /** From now on SIGHUP calls this instead of ending the process. */
  onHangup?(listener: () => void): void;
}

/** Runs one command line (without `node` and the script) to its exit code. Never throws. */
export async function runCli(argv: readonly string[], host: Host): Promise<number> {
  let exit: number = exitCodes.ok;
  const style = styleFor(host.terminal.stdout, !argv.includes('--no-color'));
  const program = buildProgram(tree, {
    style,
    columns: columnsOf(host.terminal.stdout, 100),
    print: text => host.terminal.stdout.write(text),
    printError: text => host.terminal.stderr.write(text),
    run: async (spec, command) => {
      const { runCommand } = await import('./run-command.ts');
      exit = await runCommand(spec, command, program, host);
    },
  });
  try {
    if (argv.length === 0) program.help();
    await program.parseAsync(familiar(argv), { from: 'user' });
    return exit;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCodes.ok;
    const [{ reportError }, { meantCommands }] = await Promise.all([import('./report-error.ts'), import('./meant-commands.ts')]);
    const error = usageError(thrown, program, argv) ?? withOwnHelp(asHoldfastError(thrown), program, argv);
    return reportError(error, {
      commands: meantCommands(error, argv),
      terminal: host.terminal,
      json: wantsJson(argv),
      verbose: argv.includes('-v') || argv.includes('--verbose'),
      color: !argv.includes('--no-color'),
    });
  }
}

/** Other programs' ways to ask for the same: `--version`, `help backup create`. */
function familiar(argv: readonly string[]): string[] {
  const [first, ...rest] = argv;
  if (first === '--version' || first === '-V') return ['version', ...rest];
  return first === 'help' ? [...rest, '--help'] : [...argv];
}

/** The output option of a line that could not be parsed. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, i) => word === '--output=json' || word === '-ojson' || ((word === '-o' || word === '--output') && argv[i + 1] === 'json'),
  );
}

/** A command that refuses its own line is named, so that its help can be asked for. */
function withOwnHelp(error: HoldfastError, program: Command, argv: readonly string[]): HoldfastError {
  if (error.code !== 'USAGE' || error.hint !== errorTable.USAGE.hint) return error;
  return new HoldfastError('USAGE', error.message, { hint: `see ${fullName(namedCommand(program, argv))} --help` });
}

function usageError(thrown: unknown, program: Command, argv: readonly string[]): HoldfastError | undefined {
  if (!(thrown instanceof CommanderError)) return undefined;
  const command = namedCommand(program, argv);
  const help = `see ${fullName(command)} --help`;
  if (thrown.code === 'commander.help') {
    const names = command.commands.map(child => child.name()).filter(name => name !== 'help');
    return new HoldfastError('USAGE', `${fullName(command)} needs a command: ${names.join(', ')}`, { hint: help });
  }
  const [message = '', ...suggestion] = thrown.message.replace(/^error: /, '').split('\n');
  const meant = suggestion.join(' ').replace(/^\(|\)$/g, '');
  return new HoldfastError('USAGE', message, { hint: meant === '' ? help : `${meant.charAt(0).toLowerCase()}${meant.slice(1)} ${help}` });
}

import type { App } from '../app.ts';
import type { Config } from '../config/load.ts';
import type { Flag, FlagGroup, OutputFormat, SharedOptions } from './flags.ts';
import type { Reporter } from './progress.ts';
import type { Style } from './style.ts';
import type { Terminal } from './terminal.ts';

export interface Example {
  readonly what: string;
  readonly line: string;
}

/** One command: what its help says, what it takes, and what it does. One file in `commands/` each. */
export interface CommandSpec<Options extends object = object> {
  readonly name: string;
  /** `<set>`, `[set]`; with what it means. */
  readonly arguments?: readonly { readonly term: string; readonly text: string; readonly choices?: readonly string[] }[];
  /** For other programs of ours: no help and no completion lists it. */
  readonly hidden?: true;
  /** One line, without full stop. */
  readonly summary: string;
  /** A paragraph or two below it. */
  readonly details?: string;
  readonly examples: readonly Example[];
  /** Exit codes with their meaning here; 2 and 130 are added to all. */
  readonly exits: Readonly<Record<number, string>>;
  readonly uses: readonly FlagGroup[];
  /** All that it needs is in its arguments: no configuration is read, no time limit set. For what is started by the service, many times. */
  readonly withoutSettings?: true;
  readonly flags?: readonly Flag[];
  /** Formats it can print; the first one is the default. */
  readonly outputs: readonly OutputFormat[];
  /** Long-running commands show progress on stderr. With `-o json` they print a line per message, or progress as text and one document. */
  reports?(options: Options): 'lines' | 'document';
  /** What is kept when the first Ctrl-C stops it. */
  readonly whenStopped?: string;
  /** Resolves to the exit code. */
  run(call: Call<Options>): Promise<number>;
}

/** A branch such as `backup`, with its commands. */
export interface CommandBranch {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly CommandSpec[];
}

/** One invocation: the parsed line, and what a command works with. Heavy things are made when first asked for. */
export interface Call<Options extends object = object> {
  readonly args: readonly (string | undefined)[];
  readonly options: Options & SharedOptions;
  readonly format: OutputFormat;
  readonly terminal: Terminal;
  /** For stdout, and for stderr. */
  readonly style: Style;
  readonly noteStyle: Style;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  now(): Date;
  /** As read at the start. */
  config(): Promise<Config>;
  /** Reads all settings anew, for what outlives a change of the file. */
  readConfig(): Promise<Config>;
  /** Goes by the time limit of these settings instead. */
  limitBy(config: Config): void;
  /** From now on SIGHUP calls this instead of ending the process: it asks a service to read its settings anew. */
  onHangup(listener: () => void): void;
  app(): Promise<App>;
}

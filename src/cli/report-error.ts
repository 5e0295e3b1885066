import { exitCodes, type HoldfastError } from '../domain/errors.ts';
import { printable } from './format.ts';
import { styleFor } from './style.ts';
import type { Terminal } from './terminal.ts';

export interface ErrorReport {
  readonly terminal: Terminal;
  /** Also one JSON line on stdout, for the program that reads it. */
  readonly json: boolean;
  /** With the stack and the causes. */
  readonly verbose: boolean;
  readonly color: boolean;
  /** Commands of which one may be what was meant. */
  readonly commands?: readonly string[];
}

/** Says what went wrong and what to do next; returns the exit code. */
export function reportError(error: HoldfastError, { terminal, json, verbose, color, commands = [] }: ErrorReport): number {
  const style = styleFor(terminal.stderr, color);
  const { code, message, hint, exit } = error;
  if (json)
    terminal.stdout.write(
      `${JSON.stringify({ message_type: 'exit_error', code, message, hint, exit, ...(commands.length > 0 && { commands }) })}\n`,
    );
  const isInterruption = exit === exitCodes.interrupted;
  terminal.stderr.write(`${isInterruption ? style.warning('stopped:') : style.bad('error:')} ${printable(message)}\n`);
  terminal.stderr.write(`${style.accent('hint:')} ${printable(hint)}\n`);
  for (const command of commands) terminal.stderr.write(`      ${printable(command)}\n`);
  if (verbose) for (const line of chain(error)) terminal.stderr.write(`${style.dim(line)}\n`);
  return exit;
}

function chain(error: HoldfastError): string[] {
  const lines = [`code: ${error.code}`];
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    const [first = '', ...frames] = (current.stack ?? current.message).split('\n');
    lines.push(`${current === error ? '' : 'caused by: '}${printable(first)}`, ...frames.map(printable));
  }
  return lines;
}

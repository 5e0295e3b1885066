import { exitCodes } from '../domain/errors.ts';
import type { Call } from './command.ts';

/** One result in every format a command has. `lines` and `names` are only made where they are printed. */
export interface Presentation {
  /** What `-o json` and `-o yaml` print: stable names, numbers as numbers, times in RFC 3339. */
  readonly document: object;
  lines(): readonly string[];
  /** For `-o name`: one a line, ready for `xargs`. */
  names?(): readonly string[];
}

/** Prints a result on stdout in the format asked for. */
export async function present(call: Call, { document, lines, names }: Presentation): Promise<void> {
  const { stdout } = call.terminal;
  if (call.format === 'json') stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  else if (call.format === 'yaml') stdout.write((await import('./yaml-text.ts')).yamlText(plain(document)));
  else for (const line of call.format === 'name' ? (names?.() ?? []) : lines()) stdout.write(`${line}\n`);
}

/** Like `present`, for commands that report while they run: with `-o json` the result is the last of their lines. */
export async function presentSummary(call: Call, presentation: Presentation): Promise<void> {
  call.reporter.end('done');
  if (call.format !== 'json') return present(call, presentation);
  call.reporter.message({ message_type: 'summary', ...presentation.document });
}

/** As JSON would have it: without undefined fields, for which YAML has no word. */
function plain(document: object): unknown {
  return JSON.parse(JSON.stringify(document));
}

/** A sentence on stderr: a next step, or something to know. Not with `--quiet`. */
export function advise(call: Call, text: string): void {
  if (call.options.quiet !== true) call.terminal.stderr.write(`${text}\n`);
}

/** Said on stderr even with `--quiet`. */
export function warn(call: Call, text: string): void {
  call.reporter.note(`${call.noteStyle.warning('warning:')} ${text}`);
}

/** A question that only `yes` or `y` answers with yes. */
export async function confirmed(call: Call, question: string): Promise<boolean> {
  const answer = await call.terminal.ask?.(`${question} [y/N] `, call.signal);
  return /^\s*y(es)?\s*$/i.test(answer ?? '');
}

/** Exit code of a result that is complete, or partly failed. */
export function exitOfPhase(phase: 'Completed' | 'PartiallyFailed'): number {
  return phase === 'Completed' ? exitCodes.ok : exitCodes.partial;
}

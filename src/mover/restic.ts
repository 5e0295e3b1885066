import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { ResticTuning } from '../domain/mover.ts';
import { isHopeless } from './failures.ts';
import { MoverFault } from './fault.ts';
import { parseResticLine, type ResticFields, type ResticMessage } from './restic-messages.ts';

/** A killed restic is given this long to remove its lock. */
const graceMs = 10_000;
/** New credentials may take a moment to be known everywhere. */
const hopelessMs = 10_000;
const mostItems = 20;
const mostTrouble = 10;

/** How one run of restic ended, and what it complained about. */
export interface ResticEnd {
  /** -1 where a signal ended it. */
  readonly code: number;
  /** Of the summary that it printed, empty otherwise. */
  readonly summary: ResticFields;
  /** Its last words where it failed. */
  readonly exitText: string;
  /** The first files that it had trouble with, and how many there were. */
  readonly items: readonly { readonly item: string; readonly text: string }[];
  readonly itemCount: number;
  /** The newest other lines of its standard error. */
  readonly trouble: readonly string[];
  /** It was ended because the store never answered. */
  readonly unanswered: boolean;
}

export interface ResticCall {
  /** The command, its flags and what they are about; what every call has is added. */
  readonly args: readonly string[];
  readonly onMessage?: (message: ResticMessage) => void;
  /** Reads standard output to its end, in place of messages; when it fails, restic is ended. */
  readonly consume?: (output: Readable) => Promise<void>;
  /** Ends restic from within, when a message says that there is no point in going on. */
  readonly endOn?: (message: ResticMessage) => boolean;
}

export interface ResticSettings {
  readonly program: string;
  readonly repository: string;
  readonly options: readonly string[];
  readonly tuning: ResticTuning;
  /** All that restic gets. */
  readonly environment: Readonly<Record<string, string>>;
  readonly storePatienceMs: number;
  readonly signal: AbortSignal;
}

/** Runs restic once. Rejects with a MoverFault where it cannot be started or was interrupted, else tells how it ended. */
export type Restic = (call: ResticCall) => Promise<ResticEnd>;

export function createRestic(settings: ResticSettings): Restic {
  return call => run(settings, call);
}

/** Secrets are in the environment: everybody on a node may read arguments. */
function argumentsOf({ repository, options, tuning }: ResticSettings, args: readonly string[]): string[] {
  const backend = /^(s3|rest|b2|swift|azure|gs|sftp|rclone):/.exec(repository)?.[1] ?? 'local';
  const all = [`${backend}.connections=${tuning.connections}`, ...options];
  return ['--json', '--repo', repository, ...all.flatMap(option => ['-o', option]), ...args];
}

async function run(settings: ResticSettings, call: ResticCall): Promise<ResticEnd> {
  if (settings.signal.aborted) throw interrupted();
  const child = spawn(settings.program, argumentsOf(settings, call.args), {
    env: { ...settings.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    await once(child, 'spawn');
  } catch (thrown) {
    throw new MoverFault('failed', `restic cannot be started: ${(thrown as Error).message}`, { cause: thrown });
  }
  let forced: NodeJS.Timeout | undefined;
  const end = () => {
    if (forced !== undefined) return;
    child.kill('SIGTERM');
    forced = setTimeout(() => child.kill('SIGKILL'), graceMs);
  };
  const exited = once(child, 'close') as Promise<[number | null]>;
  const notes = takeNotes(call, settings.storePatienceMs, end);
  settings.signal.addEventListener('abort', end);
  let consuming: Promise<unknown> = Promise.resolve();
  try {
    if (call.consume === undefined) readLines(child.stdout, notes.take);
    else {
      consuming = call.consume(child.stdout).catch((thrown: unknown) => {
        child.stdout.destroy();
        end();
        return thrown;
      });
    }
    readLines(child.stderr, notes.take);
    const [code] = await exited;
    const failed = await consuming;
    if (settings.signal.aborted) throw interrupted();
    if (failed !== undefined) throw failed;
    return notes.end(code ?? -1);
  } finally {
    settings.signal.removeEventListener('abort', end);
    clearTimeout(forced);
    notes.close();
  }
}

function interrupted(): MoverFault {
  return new MoverFault('interrupted', 'the mover was ended before it was done');
}

function readLines(stream: Readable, take: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', line => {
    if (line.trim() !== '') take(line);
  });
}

/** Collects what the result is made of, and ends restic where nothing can come of it. */
function takeNotes(call: ResticCall, patienceMs: number, endRestic: () => void) {
  const items: { item: string; text: string }[] = [];
  const trouble: string[] = [];
  let summary: ResticFields = {};
  let exitText = '';
  let itemCount = 0;
  let unanswered = false;
  let patience: NodeJS.Timeout | undefined;
  let hopeless: NodeJS.Timeout | undefined;
  const giveUp = () => {
    unanswered = true;
    endRestic();
  };
  const stopWaiting = () => {
    for (const timer of [patience, hopeless]) clearTimeout(timer);
    patience = undefined;
    hopeless = undefined;
  };
  const complain = (text: string) => {
    trouble.push(text);
    if (trouble.length > mostTrouble) trouble.shift();
  };
  const take = (line: string) => {
    const message = parseResticLine(line);
    if (message.type === 'summary') summary = message.fields;
    else if (message.type === 'exit') exitText = message.text;
    else if (message.type === 'error') {
      itemCount += 1;
      if (items.length < mostItems) items.push({ item: message.item, text: message.text });
    } else if (message.type === 'text') complain(message.text);
    else if (message.type === 'retry') {
      complain(message.text);
      if (isHopeless(message.text)) hopeless ??= setTimeout(endRestic, hopelessMs);
      else if (message.first) patience ??= setTimeout(giveUp, patienceMs);
    }
    // Lines of progress come whatever the store does, but not before it answered once.
    if (message.type === 'answered') stopWaiting();
    else if (!['text', 'retry', 'exit'].includes(message.type)) clearTimeout(patience);
    call.onMessage?.(message);
    if (call.endOn?.(message) === true) endRestic();
  };
  return {
    take,
    end: (code: number): ResticEnd => ({ code, summary, exitText, items, itemCount, trouble, unanswered }),
    close: stopWaiting,
  };
}

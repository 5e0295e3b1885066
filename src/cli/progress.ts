import type { Progress, ProgressEvent } from '../domain/runtime.ts';
import { liveLine, type Phase, plainLine, statusMessage } from './render/phase.ts';
import type { Style } from './style.ts';
import { columnsOf, type TextStream } from './terminal.ts';

/** How progress is shown: redrawn in place, a line now and then, JSON lines on stdout, or not at all. */
export type ProgressMode = 'live' | 'plain' | 'ndjson' | 'quiet';

/** Shows a long operation while it runs. Text goes to stderr, JSON lines to stdout. */
export interface Reporter {
  readonly progress: Progress;
  /** A sentence for people, above what is redrawn. */
  note(text: string): void;
  /** One JSON line on stdout, where the output is JSON. */
  message(message: { readonly message_type: string } & Readonly<Record<string, unknown>>): void;
  /** Nothing is redrawn from now on. May be called again. */
  end(how: 'done' | 'stopped'): void;
}

export interface ReporterOptions {
  readonly mode: ProgressMode;
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly style: Style;
  /** Milliseconds; only differences count. */
  now(): number;
}

const redrawMs = 100;
const plainMs = 10_000;
const statusMs = 1000;

export function createReporter(options: ReporterOptions): Reporter {
  const { mode, stdout, stderr, now } = options;
  const message: Reporter['message'] = content => {
    if (mode === 'ndjson') stdout.write(`${JSON.stringify(content)}\n`);
  };
  const note = (text: string) => stderr.write(`${text}\n`);
  const progress = {
    live: () => {},
    plain: sometimes(now, plainMs, false, phase => note(plainLine(phase, now()))),
    ndjson: sometimes(now, statusMs, true, phase => message(statusMessage(phase, now()))),
    quiet: () => {},
  } as const satisfies Record<ProgressMode, Progress>;
  if (mode === 'live') return liveReporter(options, message);
  return { progress: progress[mode], note, message, end: () => {} };
}

interface PhaseLog {
  readonly all: ReadonlyMap<string, Phase>;
  add(event: ProgressEvent): { readonly phase: Phase; readonly begins: boolean };
  clear(): void;
}

/** The phases of an operation as events come in. One may come back after another began: they overlap. */
function phaseLog(now: () => number): PhaseLog {
  const all = new Map<string, Phase>();
  let current = '';
  return {
    all,
    clear: () => all.clear(),
    add: event => {
      const at = now();
      const before = all.get(current);
      // A phase lasts until another one begins, not only until its last event.
      if (current !== event.phase && before !== undefined) all.set(current, { ...before, lastAt: at });
      current = event.phase;
      const known = all.get(event.phase);
      const phase = { startedAt: known?.startedAt ?? at, lastAt: at, event: { ...known?.event, ...event } };
      all.set(event.phase, phase);
      return { phase, begins: known === undefined };
    },
  };
}

/** Shows at most one event in `every` milliseconds, and with `eachPhase` also each phase’s first. */
function sometimes(now: () => number, every: number, eachPhase: boolean, show: (phase: Phase) => void): Progress {
  const log = phaseLog(now);
  let shownAt = now();
  return event => {
    const { phase, begins } = log.add(event);
    if (now() - shownAt < every && !(begins && eachPhase)) return;
    shownAt = now();
    show(phase);
  };
}

/** A line a phase, all redrawn together: the cursor stays below the last one. */
function liveReporter({ stderr, style, now }: ReporterOptions, message: Reporter['message']): Reporter {
  const log = phaseLog(now);
  let timer: NodeJS.Timeout | undefined;
  let current = '';
  let drawn = 0;
  let frame = 0;
  const erase = () => {
    if (drawn > 0) stderr.write(`\x1b[${drawn}A\r\x1b[J`);
    drawn = 0;
  };
  const draw = (how: 'running' | 'done' | 'stopped') => {
    const columns = columnsOf(stderr, 80) - 1;
    const lines = [...log.all].map(([name, phase]) =>
      liveLine(phase, { state: name === current ? how : 'done', frame, now: now(), columns, style }),
    );
    erase();
    stderr.write(lines.map(line => `${line}\n`).join(''));
    drawn = lines.length;
  };
  return {
    message,
    progress: event => {
      current = event.phase;
      if (log.add(event).begins) draw('running');
      timer ??= setInterval(() => {
        frame += 1;
        draw('running');
      }, redrawMs);
    },
    note: text => {
      erase();
      stderr.write(`${text}\n`);
      if (timer !== undefined) draw('running');
    },
    end: how => {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      draw(how);
      drawn = 0;
      log.clear();
    },
  };
}

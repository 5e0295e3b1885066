import type { Progress, ProgressEvent } from '../domain/runtime.ts';
import { count, counted, duration, printable, shortened, size } from './format.ts';
import type { Style } from './style.ts';
import type { TextStream } from './terminal.ts';

/** How progress is shown: redrawn in place, a line now and then, JSON lines on stdout, or not at all. */
export type ProgressMode = 'live' | 'plain' | 'ndjson' | 'quiet';

/** Shows a long operation while it runs. Text goes to stderr, JSON lines to stdout. */
export interface Reporter {
  readonly progress: Progress;
  /** A sentence for people, above the live line. */
  note(text: string): void;
  /** One JSON line on stdout, where the output is JSON. */
  message(message: { readonly message_type: string } & Readonly<Record<string, unknown>>): void;
  /** Takes the live line away, so that other text can follow. */
  end(): void;
}

export interface ReporterOptions {
  readonly mode: ProgressMode;
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly style: Style;
  /** Milliseconds; only differences count. */
  now(): number;
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const redrawMs = 100;
const plainMs = 10_000;
const statusMs = 1000;

const verbs: Readonly<Record<string, string>> = {
  discover: 'Discover kinds',
  read: 'Read objects',
  store: 'Store',
  plan: 'Plan',
  apply: 'Apply',
  wait: 'Wait',
  verify: 'Verify',
  validate: 'Validate',
};

interface Phase {
  readonly startedAt: number;
  event: ProgressEvent;
}

export function createReporter(options: ReporterOptions): Reporter {
  const message: Reporter['message'] = content => {
    if (options.mode === 'ndjson') options.stdout.write(`${JSON.stringify(content)}\n`);
  };
  const note = (text: string) => options.stderr.write(`${text}\n`);
  if (options.mode === 'live') return liveReporter(options, message);
  if (options.mode === 'plain')
    return {
      progress: everySoOften(options, plainMs, false, phase => note(plainLine(phase, options.now()))),
      note,
      message,
      end: () => {},
    };
  if (options.mode === 'ndjson') {
    return {
      progress: everySoOften(options, statusMs, true, phase => message(status(phase, options.now()))),
      note,
      message,
      end: () => {},
    };
  }
  return { progress: () => {}, note, message, end: () => {} };
}

/** Calls `show` at most once in `every` milliseconds, and with `eachPhase` also whenever a phase begins. */
function everySoOften(options: ReporterOptions, every: number, eachPhase: boolean, show: (phase: Phase) => void): Progress {
  let phase: Phase | undefined;
  let shownAt = options.now();
  return event => {
    const now = options.now();
    const begins = phase?.event.phase !== event.phase;
    phase = next(phase, event, now);
    if (now - shownAt < every && !(begins && eachPhase)) return;
    shownAt = now;
    show(phase);
  };
}

function next(phase: Phase | undefined, event: ProgressEvent, now: number): Phase {
  if (phase === undefined || phase.event.phase !== event.phase) return { startedAt: now, event };
  return { startedAt: phase.startedAt, event: { ...phase.event, ...event } };
}

function liveReporter(options: ReporterOptions, message: Reporter['message']): Reporter {
  const { stderr, style, now } = options;
  let phase: Phase | undefined;
  let timer: NodeJS.Timeout | undefined;
  let frame = 0;
  const clear = () => stderr.write('\r\x1b[2K');
  const draw = () => {
    if (phase === undefined) return;
    frame = (frame + 1) % frames.length;
    stderr.write(`\r\x1b[2K${style.accent(frames[frame] ?? '')} ${liveLine(phase, now(), (stderr.columns ?? 80) - 2)}`);
  };
  const finishPhase = () => {
    if (phase === undefined) return;
    clear();
    stderr.write(`${style.good('✓')} ${doneLine(phase, now())}\n`);
  };
  const end = () => {
    clearInterval(timer);
    timer = undefined;
    if (phase !== undefined) clear();
    phase = undefined;
  };
  return {
    progress: event => {
      if (phase !== undefined && phase.event.phase !== event.phase) finishPhase();
      phase = next(phase, event, now());
      // Not unref'd on purpose to draw on: `end` is always called, also after an error.
      timer ??= setInterval(draw, redrawMs);
    },
    note: text => {
      clear();
      stderr.write(`${text}\n`);
    },
    message,
    end,
  };
}

function verb(event: ProgressEvent): string {
  return verbs[event.phase] ?? event.phase;
}

function numbers({ event, startedAt }: Phase, now: number): string {
  const { objects, totalObjects, bytes } = event;
  const seconds = (now - startedAt) / 1000;
  const share =
    objects !== undefined && totalObjects !== undefined && totalObjects > 0 ? ` (${Math.floor((objects / totalObjects) * 100)}%)` : '';
  const parts = [
    objects === undefined
      ? ''
      : totalObjects === undefined
        ? counted(objects, 'object')
        : `${count(objects)} of ${counted(totalObjects, 'object')}${share}`,
    bytes === undefined ? '' : size(bytes),
    objects !== undefined && objects > 0 && seconds >= 1 ? `${count(Math.round(objects / seconds))}/s` : '',
  ];
  return parts.filter(part => part !== '').join(', ');
}

const barWidth = 20;

function bar({ objects, totalObjects }: ProgressEvent): string {
  if (objects === undefined || totalObjects === undefined || totalObjects === 0) return '';
  const full = Math.min(barWidth, Math.floor((objects / totalObjects) * barWidth));
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)}`;
}

function liveLine(phase: Phase, now: number, columns: number): string {
  const parts = [
    verb(phase.event).padEnd(15),
    bar(phase.event),
    numbers(phase, now),
    printable(phase.event.detail ?? ''),
    duration(now - phase.startedAt),
  ];
  return shortened(parts.filter(part => part !== '').join('  '), columns);
}

function doneLine({ event, startedAt }: Phase, now: number): string {
  const done =
    event.totalObjects === undefined
      ? event
      : { phase: event.phase, objects: event.objects ?? event.totalObjects, ...(event.bytes === undefined ? {} : { bytes: event.bytes }) };
  const what = numbers({ event: done, startedAt: now }, now) || printable(event.detail ?? '');
  return `${verb(event).padEnd(15)}  ${what === '' ? '' : `${what}  `}${duration(now - startedAt)}`;
}

function plainLine(phase: Phase, now: number): string {
  const what = [numbers(phase, now), printable(phase.event.detail ?? '')].filter(part => part !== '').join(', ');
  return `${verb(phase.event)}: ${what === '' ? '' : `${what}, `}${duration(now - phase.startedAt)} so far`;
}

function status({ event, startedAt }: Phase, now: number) {
  return {
    message_type: 'status',
    phase: event.phase,
    ...(event.detail === undefined ? {} : { detail: event.detail }),
    ...(event.objects === undefined ? {} : { objects: event.objects }),
    ...(event.totalObjects === undefined ? {} : { totalObjects: event.totalObjects }),
    ...(event.bytes === undefined ? {} : { bytes: event.bytes }),
    elapsedMs: Math.round(now - startedAt),
  };
}

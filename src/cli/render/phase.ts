import type { ProgressEvent } from '../../domain/runtime.ts';
import { count, counted, duration, printable, shortened, size } from '../format.ts';
import type { Style } from '../style.ts';

/** One phase of a long operation, as far as it is known. Times in milliseconds of one clock. */
export interface Phase {
  readonly startedAt: number;
  readonly lastAt: number;
  readonly event: ProgressEvent;
}

const verbs: Readonly<Record<string, string>> = {
  discover: 'Discover kinds',
  read: 'Read objects',
  volumes: 'Capture volumes',
  store: 'Store',
  plan: 'Plan',
  apply: 'Apply',
  wait: 'Wait',
  verify: 'Verify',
  validate: 'Validate',
};

function verb({ phase }: ProgressEvent): string {
  return verbs[phase] ?? `${phase.charAt(0).toUpperCase()}${phase.slice(1)}`;
}

function numbers({ phase, objects, totalObjects, bytes }: ProgressEvent, ms: number): string {
  const volumes = phase === 'volumes';
  const thing = volumes ? 'volume' : 'object';
  const done =
    objects === undefined
      ? ''
      : totalObjects === undefined
        ? counted(objects, thing)
        : `${count(objects)} of ${counted(totalObjects, thing)}`;
  const rate = !volumes && objects !== undefined && objects > 0 && ms >= 1000 ? `${count(Math.round(objects / (ms / 1000)))}/s` : '';
  return [done, bytes === undefined ? '' : size(bytes), rate].filter(part => part !== '').join(', ');
}

const barWidth = 20;

function bar({ objects, totalObjects }: ProgressEvent): string {
  if (objects === undefined || totalObjects === undefined || totalObjects === 0) return '';
  const share = Math.min(1, objects / totalObjects);
  const full = Math.floor(barWidth * share);
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${String(Math.floor(share * 100)).padStart(3)}%`;
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

export interface LiveOptions {
  readonly state: 'running' | 'done' | 'stopped';
  /** Counts redraws: turns the spinner. */
  readonly frame: number;
  readonly now: number;
  readonly columns: number;
  readonly style: Style;
}

/** `⠹ Apply            ███████░░░░░░░░░░░░░  37%   4,611 of 12,340 objects, 812/s   secrets   5.7s` */
export function liveLine({ startedAt, lastAt, event }: Phase, { state, frame, now, columns, style }: LiveOptions): string {
  const ms = (state === 'done' ? lastAt : now) - startedAt;
  const sign = { running: style.accent(frames[frame % frames.length] ?? ''), done: style.good('✓'), stopped: style.bad('✗') }[state];
  const parts = [
    verb(event).padEnd(15),
    state === 'running' ? bar(event) : '',
    state === 'done' && event.objects === 0 ? '' : numbers(event, ms),
    state === 'done' && event.objects !== undefined ? '' : printable(event.detail ?? ''),
    duration(ms),
  ];
  return `${sign} ${shortened(parts.filter(part => part !== '').join('   '), columns - 2)}`;
}

/** `Apply: 4,611 of 12,340 objects, 812/s, secrets, 5.7s so far` */
export function plainLine({ startedAt, event }: Phase, now: number): string {
  const ms = now - startedAt;
  return `${verb(event)}: ${[numbers(event, ms), printable(event.detail ?? ''), `${duration(ms)} so far`].filter(part => part !== '').join(', ')}`;
}

/** For programs: one line of NDJSON. */
export function statusMessage({ startedAt, event }: Phase, now: number) {
  return { message_type: 'status', ...event, elapsedMs: Math.round(now - startedAt) };
}

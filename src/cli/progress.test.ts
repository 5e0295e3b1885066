import { describe, expect, it } from 'vitest';
import { createReporter, type ProgressMode } from './progress.ts';
import { plainStyle } from './style.ts';

function watch(mode: ProgressMode) {
  let clock = 0;
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    columns: 60,
    write: (text: string) => {
      written[name] += text;
    },
  });
  const reporter = createReporter({ mode, stdout: stream('stdout'), stderr: stream('stderr'), style: plainStyle, now: () => clock });
  return {
    reporter,
    written,
    later: (ms: number) => {
      clock += ms;
    },
  };
}

/** What a terminal shows after the text: lines that were erased are gone. */
function screen(text: string): string[] {
  let lines: string[] = [''];
  for (const part of text.replaceAll('\x1b[', '⎋').split(/(⎋\d+A\r⎋J|\n)/)) {
    const up = /^⎋(\d+)A/.exec(part);
    if (part === '\n') lines.push('');
    else if (up !== null) lines = [...lines.slice(0, lines.length - 1 - Number(up[1])), ''];
    else lines[lines.length - 1] += part;
  }
  return lines;
}

describe('without a terminal', () => {
  it('says one line in ten seconds', () => {
    const { reporter, written, later } = watch('plain');
    reporter.progress({ phase: 'read', objects: 1 });
    for (let i = 0; i < 24; i++) {
      later(1000);
      reporter.progress({ phase: 'read', objects: 100 * (i + 2), bytes: 1024 });
    }
    expect(written.stderr.split('\n').filter(line => line !== '')).toEqual([
      'Read objects: 1,100 objects, 1.00 KiB, 110/s, 10.0s so far',
      'Read objects: 2,100 objects, 1.00 KiB, 105/s, 20.0s so far',
    ]);
    expect(written.stdout).toBe('');
  });
});

describe('as JSON lines', () => {
  it('tells each new phase, and no more than one status a second', () => {
    const { reporter, written, later } = watch('ndjson');
    reporter.progress({ phase: 'read', objects: 1 });
    later(100);
    reporter.progress({ phase: 'read', objects: 2 });
    later(100);
    reporter.progress({ phase: 'store' });
    later(100);
    reporter.progress({ phase: 'read', objects: 3 });
    later(1000);
    reporter.progress({ phase: 'read', objects: 4, totalObjects: 9 });
    reporter.message({ message_type: 'summary', id: 'x' });
    expect(
      written.stdout
        .trim()
        .split('\n')
        .map(line => JSON.parse(line)),
    ).toEqual([
      { message_type: 'status', phase: 'read', objects: 1, elapsedMs: 0 },
      { message_type: 'status', phase: 'store', elapsedMs: 0 },
      { message_type: 'status', phase: 'read', objects: 4, totalObjects: 9, elapsedMs: 1300 },
      { message_type: 'summary', id: 'x' },
    ]);
    expect(written.stderr).toBe('');
  });
});

describe('quietly', () => {
  it('says nothing but notes', () => {
    const { reporter, written, later } = watch('quiet');
    reporter.progress({ phase: 'read' });
    later(60_000);
    reporter.progress({ phase: 'read', objects: 1 });
    reporter.note('warning: something');
    expect(written).toEqual({ stdout: '', stderr: 'warning: something\n' });
  });
});

describe('on a terminal', () => {
  it('leaves a line a phase, with its last numbers, though phases overlap', () => {
    const { reporter, written, later } = watch('live');
    reporter.progress({ phase: 'discover' });
    later(500);
    reporter.progress({ phase: 'read', objects: 10 });
    later(1500);
    reporter.progress({ phase: 'store' });
    reporter.progress({ phase: 'read', objects: 20 });
    later(500);
    reporter.progress({ phase: 'store' });
    reporter.end('done');
    expect(screen(written.stderr)).toEqual([
      '✓ Discover kinds    0.5s',
      '✓ Read objects      20 objects, 10/s   2.0s',
      '✓ Store             0.5s',
      '',
    ]);
  });

  it('marks the phase in which it stopped, and keeps notes above', () => {
    const { reporter, written } = watch('live');
    reporter.progress({ phase: 'plan' });
    reporter.note('warning: a key file is open to everybody');
    reporter.progress({ phase: 'apply', objects: 5, totalObjects: 10, detail: 'secrets agents/github-app' });
    reporter.end('stopped');
    reporter.end('done');
    expect(screen(written.stderr)).toEqual([
      'warning: a key file is open to everybody',
      '✓ Plan              0.0s',
      '✗ Apply             5 of 10 objects   secrets agents/githu…',
      '',
    ]);
  });

  it('lets nothing of an object’s name reach the terminal as a command', () => {
    const { reporter, written } = watch('live');
    reporter.progress({ phase: 'apply', detail: 'x\x1b]0;title\x07' });
    reporter.end('done');
    expect(written.stderr).not.toContain('\x1b]0');
  });
});

import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { watchSignals } from './stop-signals.ts';

class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];
  said = '';
  readonly stderr = {
    write: (text: string) => {
      this.said += text;
    },
  };
  exit(code: number): never {
    this.exits.push(code);
    return undefined as never;
  }
}

it('asks the command to stop at the first Ctrl-C, says what is kept, and quits at the second', () => {
  const source = new FakeProcess();
  const { signal, say } = watchSignals(source);
  say('What was restored stays.');
  expect(signal.aborted).toBe(false);
  source.emit('SIGINT');
  expect(signal.reason).toMatchObject({ code: 'INTERRUPTED', exit: 130 });
  expect(source.said).toContain('What was restored stays. Press Ctrl-C again to quit at once.');
  expect(source.exits).toEqual([]);
  source.emit('SIGINT');
  expect(source.exits).toEqual([130]);
});

it('is stopped by SIGHUP too, unless the command has another use for it', () => {
  const closed = new FakeProcess();
  const { signal } = watchSignals(closed);
  closed.emit('SIGHUP');
  expect(signal.aborted).toBe(true);

  const source = new FakeProcess();
  const serving = watchSignals(source);
  let reloads = 0;
  serving.onHangup(() => {
    reloads += 1;
  });
  source.emit('SIGHUP');
  source.emit('SIGHUP');
  expect([reloads, serving.signal.aborted, source.exits]).toEqual([2, false, []]);
  source.emit('SIGTERM');
  expect(serving.signal.aborted).toBe(true);
});

import { asHoldfastError, type HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { SentNotice } from './notice.ts';
import type { NoticeTarget } from './notify.ts';

/** How long after the first failure a notice is tried again, after the second, …; the last one for all that follow. */
export const retryDelaysMs: readonly number[] = [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000];
/** A notice is given up when it is this old: what lasts is told anew by then. */
export const giveUpAfterMs = 24 * 3_600_000;
/** Notices that wait for one target. */
export const mostWaiting = 100;
/** One attempt of whatever target. */
const attemptMs = 60_000;

export interface OutboxOptions {
  readonly target: NoticeTarget;
  readonly runtime: Pick<Runtime, 'now' | 'sleep'>;
  /** Called whenever what waits has changed. */
  readonly onChange: () => void;
  readonly onResult: (result: DeliveryResult) => void;
}

/** `retried`: another attempt follows; `given-up`: refused, too old, or pushed out by newer ones. */
export interface DeliveryResult {
  readonly target: string;
  readonly notice: SentNotice;
  readonly result: 'delivered' | 'retried' | 'given-up';
  readonly error?: HoldfastError;
}

/** What waits for one target, sent in order. No outbox waits for another. */
export interface Outbox {
  add(notices: readonly SentNotice[]): void;
  /** Oldest first, with the one that is being sent. */
  waiting(): readonly SentNotice[];
  /** Resolves when nothing waits any more, or it is closed. */
  idle(): Promise<void>;
  /** Stops at once; what waits is left. */
  close(): void;
}

export function createOutbox({ target, runtime, onChange, onResult }: OutboxOptions): Outbox {
  const closing = new AbortController();
  let queue: SentNotice[] = [];
  let working: Promise<void> | undefined;

  const result = (notice: SentNotice, how: DeliveryResult['result'], error?: HoldfastError): void =>
    onResult({ target: target.name, notice, result: how, ...(error !== undefined && { error }) });

  const work = async (): Promise<void> => {
    for (let notice = queue[0]; notice !== undefined && !closing.signal.aborted; notice = queue[0]) {
      const isDone = await deliver(notice);
      if (!isDone) return;
      queue = queue.filter(one => one !== notice);
      onChange();
    }
  };

  const deliver = async (notice: SentNotice): Promise<boolean> => {
    for (let attempt = 0; ; attempt++) {
      const error = await send(notice);
      if (closing.signal.aborted && error !== undefined) return false;
      if (error === undefined) {
        result(notice, 'delivered');
        return true;
      }
      const isLate = Math.abs(runtime.now().getTime() - Date.parse(notice.at)) >= giveUpAfterMs;
      if (!mayRetry(error) || isLate || !queue.includes(notice)) {
        result(notice, 'given-up', error);
        return true;
      }
      result(notice, 'retried', error);
      const delay = retryDelaysMs[Math.min(attempt, retryDelaysMs.length - 1)]!;
      await runtime.sleep(delay, closing.signal).catch(() => {});
      if (closing.signal.aborted) return false;
    }
  };

  const send = async (notice: SentNotice): Promise<HoldfastError | undefined> => {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(attemptMs)]);
    try {
      // Not every library heeds a signal.
      await Promise.race([target.send(notice, signal), rejectOnAbort(signal)]);
      return undefined;
    } catch (thrown) {
      return asHoldfastError(thrown);
    }
  };

  return {
    add: notices => {
      if (closing.signal.aborted || notices.length === 0) return;
      queue.push(...notices);
      const [kept, dropped] = withoutExcess(queue, working !== undefined);
      queue = kept;
      for (const notice of dropped) result(notice, 'given-up');
      onChange();
      working ??= work().finally(() => {
        working = undefined;
      });
    },
    waiting: () => queue,
    idle: async () => {
      while (working !== undefined) await working;
    },
    close: () => closing.abort(),
  };
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** A file that is missing, or a setting that is wrong, may be mended meanwhile. */
function mayRetry({ code, retryable }: HoldfastError): boolean {
  return retryable || code === 'CONFIG_INVALID';
}

/** Reminders go first, then the oldest of the others; what is being sent stays. */
function withoutExcess(queue: readonly SentNotice[], isSending: boolean): [kept: SentNotice[], dropped: SentNotice[]] {
  const kept = [...queue];
  const dropped: SentNotice[] = [];
  const first = isSending ? 1 : 0;
  while (kept.length > mostWaiting) {
    const reminder = kept.findIndex(({ state }, index) => index >= first && state === 'lasts');
    dropped.push(...kept.splice(Math.max(reminder, first), 1));
  }
  return [kept, dropped];
}

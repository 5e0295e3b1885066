import { asHoldfastError, isCode } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { SentNotice } from './notice.ts';
import { type NoticeMemory, type Observation, observe } from './notice-state.ts';
import type { NoticeStore } from './notice-store.ts';
import { createOutbox, type DeliveryResult, type Outbox } from './outbox.ts';
import { readSaved, type SavedNotices } from './saved-notices.ts';

/** Delivers one notice, once or perhaps twice. NOTICE_UNDELIVERED where another try has a chance, NOTICE_REFUSED where it has none. */
export type SendNotice = (notice: SentNotice, signal: AbortSignal) => Promise<void>;

/** Somebody who is told. */
export interface NoticeTarget {
  /** For people and logs, without anything secret: `webhook hooks.example.org`. No two have the same. */
  readonly name: string;
  wants(notice: SentNotice): boolean;
  readonly send: SendNotice;
}

/** Constant messages with fields, as pino has them. */
export interface NoticeLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface NotifierOptions {
  /** Name of the cluster that is protected. */
  readonly cluster: string;
  readonly targets: readonly NoticeTarget[];
  readonly runtime: Runtime;
  readonly log: NoticeLog;
  /** Where what was told is remembered across restarts and leaders; nowhere without it. */
  readonly store?: NoticeStore;
  readonly onResult?: (result: DeliveryResult) => void;
  /** Each notice once, whoever wants it. Never throws. */
  readonly onNotice?: (notice: SentNotice) => void;
}

/** Tells people what began, lasts and is over. Of several replicas only the one that leads speaks. */
export interface Notifier {
  /** Resolves when the signal aborts and what was told is remembered. Never rejects. */
  lead(signal: AbortSignal): Promise<void>;
  /** Never throws, waits for nothing; without effect while this process does not lead. */
  observe(...observations: readonly Observation[]): void;
  /** What waits for a target that is still there goes on waiting. */
  replaceTargets(targets: readonly NoticeTarget[]): void;
  /** Resolves when everything is delivered or given up. */
  idle(): Promise<void>;
}

/** How often conditions are looked at that only time changes. */
const tickMs = 30_000;
const loadMs = 10_000;
/** What a leader that stops has for the last notices. */
const lastWordsMs = 5_000;

export function createNotifier({ cluster, targets: first, runtime, log, store, onResult, onNotice }: NotifierOptions): Notifier {
  let targets = first;
  let memory: NoticeMemory = {};
  let early: Observation[] = [];
  let state: 'quiet' | 'loading' | 'leading' = 'quiet';
  const outboxes = new Map<string, Outbox>();
  let saving: Promise<void> | undefined;
  let isDirty = false;

  const onDelivery = (delivery: DeliveryResult): void => {
    const { target, notice, result, error } = delivery;
    const fields = { target, event: notice.event, state: notice.state, ...(error !== undefined && { err: error }) };
    if (result === 'delivered') log.info(fields, 'notice delivered');
    else if (result === 'retried') log.warn(fields, 'a notice could not be delivered, and is tried again');
    else log.error(fields, 'a notice was given up');
    onResult?.(delivery);
  };

  const outboxOf = (target: NoticeTarget): Outbox => {
    const known = outboxes.get(target.name);
    if (known !== undefined) return known;
    const made = createOutbox({ target, runtime, onChange: save, onResult: onDelivery });
    outboxes.set(target.name, made);
    return made;
  };

  const step = (observations: readonly Observation[]): void => {
    const before = memory;
    const { memory: after, notices } = observe(before, observations, runtime.now());
    memory = after;
    const sent = notices.map(notice => ({ ...notice, cluster, id: Buffer.from(runtime.random(16)).toString('hex') }));
    for (const notice of sent) onNotice?.(notice);
    for (const target of targets) outboxOf(target).add(sent.filter(notice => target.wants(notice)));
    if (notices.length > 0 || JSON.stringify(before) !== JSON.stringify(after)) save();
  };

  const text = (): string => {
    const waiting = Object.fromEntries([...outboxes].map(([name, box]) => [name, box.waiting()]).filter(([, some]) => some!.length > 0));
    return JSON.stringify({ memory, waiting } satisfies SavedNotices);
  };

  const save = (): void => {
    if (store === undefined || state !== 'leading') return;
    isDirty = true;
    saving ??= write(store).finally(() => {
      saving = undefined;
    });
  };

  const write = async (to: NoticeStore): Promise<void> => {
    while (isDirty) {
      isDirty = false;
      // What happens in one go is written in one go.
      await Promise.resolve();
      try {
        await to.save(text(), AbortSignal.timeout(loadMs));
      } catch (thrown) {
        if (isCode(thrown, 'NOT_LEADER')) return;
        isDirty = true;
        log.warn({ err: asHoldfastError(thrown) }, 'it could not be remembered what people were told');
        return;
      }
    }
  };

  /** Without a store, or where it does not answer, this process remembers as much as it did itself. */
  const load = async (signal: AbortSignal): Promise<SavedNotices> => {
    if (store === undefined) return { memory, waiting: {} };
    try {
      return readSaved(await store.load(AbortSignal.any([signal, AbortSignal.timeout(loadMs)])));
    } catch (thrown) {
      if (!signal.aborted) log.warn({ err: asHoldfastError(thrown) }, 'it is not known what people were told before');
      return { memory, waiting: {} };
    }
  };

  const closeAll = (): void => {
    for (const box of outboxes.values()) box.close();
    outboxes.clear();
  };

  const idle = async (): Promise<void> => {
    await Promise.all([...outboxes.values()].map(box => box.idle()));
    await saving;
  };

  return {
    lead: async signal => {
      state = 'loading';
      early = [];
      const saved = await load(signal);
      memory = saved.memory;
      state = 'leading';
      for (const target of targets) outboxOf(target).add(saved.waiting[target.name] ?? []);
      step(early.splice(0));
      while (!signal.aborted) {
        await runtime.sleep(tickMs, signal).catch(() => {});
        if (!signal.aborted) step([]);
        if (isDirty) save();
      }
      await Promise.race([idle(), runtime.sleep(lastWordsMs).catch(() => {})]);
      state = 'quiet';
      closeAll();
    },
    observe: (...observations) => {
      if (state === 'leading') step(observations);
      else if (state === 'loading') early.push(...observations);
    },
    replaceTargets: changed => {
      targets = changed;
      const kept = new Map([...outboxes].map(([name, box]) => [name, box.waiting()]));
      closeAll();
      if (state === 'leading') for (const target of changed) outboxOf(target).add(kept.get(target.name) ?? []);
    },
    idle,
  };
}

import { afterEach, describe, expect, it } from 'vitest';
import { type HttpReceiver, startHttpReceiver } from '../../test/helpers/http-receiver.ts';
import { type ManualTime, manualTime } from '../../test/helpers/manual-time.ts';
import { listeningLog } from '../../test/helpers/notices.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { SentNotice } from './notice.ts';
import type { Observation } from './notice-state.ts';
import type { NoticeStore } from './notice-store.ts';
import { createNotifier, type NoticeTarget, type NotifierOptions } from './notify.ts';
import { giveUpAfterMs, mostWaiting, retryDelaysMs } from './outbox.ts';
import { addressOf } from './secret-file.ts';
import { webhookSender } from './webhook.ts';

const minute = 60_000;
const failed = (tier = 'daily'): Observation => ({
  ...{ type: 'holds', key: `backup/platform/${tier}` },
  occurrence: { event: 'backup.failed', policy: 'platform', tier, what: 'a backup failed', why: 'no answer', hint: 'look' },
});
const good = (tier = 'daily'): Observation => ({ type: 'over', key: `backup/platform/${tier}`, what: 'a complete set was made again' });

interface TestTarget extends NoticeTarget {
  readonly got: SentNotice[];
  /** Thrown at every attempt while it is set. */
  failing: HoldfastError | undefined;
  attempts: number;
}

function target(name: string, wants: NoticeTarget['wants'] = () => true): TestTarget {
  const made: TestTarget = {
    ...{ name, wants, got: [], failing: undefined, attempts: 0 },
    send: async notice => {
      made.attempts++;
      if (made.failing !== undefined) throw made.failing;
      made.got.push(notice);
    },
  };
  return made;
}
const undelivered = new HoldfastError('NOTICE_UNDELIVERED', 'example.org: no answer');
const refused = new HoldfastError('NOTICE_REFUSED', 'example.org answered 404');
const words = (notices: readonly SentNotice[]) => notices.map(({ event, state, tier }) => `${event} ${state} ${tier}`);

/** Keeps what is saved as text, as a ConfigMap would. */
function keptStore(): NoticeStore & { saved: string | undefined; broken: boolean } {
  const store = {
    saved: undefined as string | undefined,
    broken: false,
    load: async () => {
      if (store.broken) throw new HoldfastError('CLUSTER_UNREACHABLE', 'no API server');
      return store.saved;
    },
    save: async (text: string) => {
      if (store.broken) throw new HoldfastError('CLUSTER_UNREACHABLE', 'no API server');
      store.saved = text;
    },
  };
  return store;
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function leading(targets: readonly NoticeTarget[], options: Partial<NotifierOptions> & { readonly time?: ManualTime } = {}) {
  const time = options.time ?? manualTime();
  const log = listeningLog();
  const notifier = createNotifier({ cluster: 'prod', targets, runtime: time, log, ...options });
  const term = new AbortController();
  const ended = notifier.lead(term.signal);
  const stop = async () => {
    term.abort();
    for (let pending = true; pending; ) {
      await time.advance(5_000);
      pending = await Promise.race([ended.then(() => false), time.advance(0).then(() => true)]);
    }
  };
  stops.push(stop);
  await time.advance(0);
  return { time, log, notifier, stop };
}

describe('people', () => {
  it('are told once, each of what they want, with the cluster and one id', async () => {
    const [all, recoveries] = [target('all'), target('recoveries', ({ state }) => state === 'recovered')];
    const { notifier, time } = await leading([all, recoveries]);
    notifier.observe(failed(), failed());
    notifier.observe(failed());
    await time.advance(0);
    expect(words(all.got)).toEqual(['backup.failed began daily']);
    expect(all.got[0]).toMatchObject({ cluster: 'prod', id: expect.stringMatching(/^[0-9a-f]{32}$/), severity: 'error' });
    notifier.observe(good());
    await time.advance(0);
    expect(words(recoveries.got)).toEqual(['backup.recovered recovered daily']);
    expect(recoveries.got[0]!.id).toBe(all.got[1]!.id);
  });

  it('are reminded by the clock alone', async () => {
    const one = target('one');
    const { notifier, time } = await leading([one]);
    notifier.observe(failed());
    await time.advance(49 * 60 * minute);
    expect(words(one.got)).toEqual(['backup.failed began daily', 'backup.failed lasts daily', 'backup.failed lasts daily']);
  });

  it('are told nothing by a replica that does not lead', async () => {
    const one = target('one');
    const notifier = createNotifier({ cluster: 'prod', targets: [one], runtime: manualTime(), log: listeningLog() });
    notifier.observe(failed());
    await notifier.idle();
    expect(one.attempts).toBe(0);
  });
});

describe('a target that does not answer', () => {
  it('is asked again with growing delay until it answers, and delays no other', async () => {
    const [bad, fine] = [target('bad'), target('fine')];
    bad.failing = undelivered;
    const { notifier, time } = await leading([bad, fine]);
    notifier.observe(failed());
    notifier.observe(failed('weekly'));
    await time.advance(0);
    expect(fine.got).toHaveLength(2);
    const counts: number[] = [];
    for (const delay of retryDelaysMs) {
      await time.advance(delay - 1);
      counts.push(bad.attempts);
      await time.advance(1);
    }
    expect(counts).toEqual([1, 2, 3, 4, 5, 6]);
    bad.failing = undefined;
    await time.advance(60 * minute);
    expect(words(bad.got)).toEqual(['backup.failed began daily', 'backup.failed began weekly']);
  });

  it('is given up after a day, with what it was not told in the log and not its address', async () => {
    const bad = target('bad');
    bad.failing = undelivered;
    const { notifier, time, log } = await leading([bad]);
    notifier.observe(failed(), good());
    await time.advance(giveUpAfterMs + 60 * minute);
    const attempts = bad.attempts;
    expect(log.lines.filter(line => line.startsWith('error a notice was given up'))).toHaveLength(2);
    await time.advance(giveUpAfterMs);
    expect(bad.attempts).toBe(attempts);
  });

  it('that refuses for good is not asked again for the same notice, and gets the next one', async () => {
    const bad = target('bad');
    bad.failing = refused;
    const { notifier, time } = await leading([bad]);
    notifier.observe(failed());
    await time.advance(60 * minute);
    expect(bad.attempts).toBe(1);
    bad.failing = undefined;
    notifier.observe(failed('weekly'));
    await time.advance(0);
    expect(words(bad.got)).toEqual(['backup.failed began weekly']);
  });

  it('has only so many waiting, and reminders go first', async () => {
    const bad = target('bad');
    bad.failing = undelivered;
    const { notifier, time } = await leading([bad]);
    notifier.observe(failed('t0'), failed('t1'));
    await time.advance(24 * 60 * minute - 30 * minute);
    for (let index = 0; index < mostWaiting; index++) notifier.observe(failed(`u${index}`));
    await time.advance(60 * minute);
    bad.failing = undefined;
    await time.advance(120 * minute);
    expect(bad.got.length).toBeGreaterThan(0);
    expect(bad.got.length).toBeLessThanOrEqual(mostWaiting);
    expect(bad.got.filter(({ state }) => state === 'lasts')).toEqual([]);
    expect(words(bad.got)).toContain(`backup.failed began u${mostWaiting - 1}`);
  });

  it('is stopped although it heeds no signal', async () => {
    const deaf: NoticeTarget = { name: 'deaf', wants: () => true, send: () => new Promise(() => {}) };
    const { notifier, stop } = await leading([deaf]);
    notifier.observe(failed());
    await stop();
  });

  it('that is replaced keeps what waits for it, and another one gets what is new', async () => {
    const [old, other] = [target('same'), target('other')];
    old.failing = undelivered;
    const { notifier, time } = await leading([old]);
    notifier.observe(failed());
    await time.advance(0);
    const mended = target('same');
    notifier.replaceTargets([mended, other]);
    await time.advance(0);
    notifier.observe(good());
    await time.advance(0);
    expect(words(mended.got)).toEqual(['backup.failed began daily', 'backup.recovered recovered daily']);
    expect(words(other.got)).toEqual(['backup.recovered recovered daily']);
  });
});

describe('the next leader', () => {
  it('tells nothing twice, tells the recovery, and delivers what the one before could not', async () => {
    const store = keptStore();
    const [before, after] = [target('mail'), target('mail')];
    const first = await leading([before], { store });
    first.notifier.observe(failed());
    await first.time.advance(0);
    before.failing = undelivered;
    first.notifier.observe(failed('weekly'));
    await first.time.advance(0);
    await first.stop();
    const second = await leading([after], { store, time: manualTime('2026-11-23T03:00:00.000Z') });
    expect(words(after.got)).toEqual(['backup.failed began weekly']);
    second.notifier.observe(failed(), failed('weekly'));
    second.notifier.observe(good());
    await second.time.advance(0);
    expect(words(after.got)).toEqual(['backup.failed began weekly', 'backup.recovered recovered daily']);
  });

  it('goes on where nothing can be remembered, and remembers what it told as soon as it can', async () => {
    const store = keptStore();
    store.broken = true;
    const one = target('one');
    const { notifier, time, log } = await leading([one], { store });
    notifier.observe(failed());
    await time.advance(0);
    expect(words(one.got)).toEqual(['backup.failed began daily']);
    expect(log.text()).toContain('it could not be remembered what people were told');
    store.broken = false;
    await time.advance(minute);
    expect(store.saved).toContain('backup.failed');
  });

  it('leaves out what it cannot read of what was remembered, and nothing else', async () => {
    const store = keptStore();
    const first = await leading([target('one')], { store });
    first.notifier.observe(failed());
    await first.time.advance(0);
    await first.stop();
    const saved = JSON.parse(store.saved!);
    saved.memory.other = { occurrence: { event: 'from.the.future' } };
    saved.waiting = { one: [{ nonsense: true }], two: 7 };
    store.saved = JSON.stringify(saved);
    const one = target('one');
    const second = await leading([one], { store });
    second.notifier.observe(good());
    await second.time.advance(0);
    expect(words(one.got)).toEqual(['backup.recovered recovered daily']);
    await second.stop();
    store.saved = 'no JSON at all';
    const third = await leading([one], { store });
    third.notifier.observe(failed());
    await third.time.advance(0);
    expect(one.got).toHaveLength(2);
  });
});

describe('over real HTTP', () => {
  it('a webhook that was away gets its notice later, once, with the same id', async () => {
    const receiver: HttpReceiver = await startHttpReceiver();
    stops.push(() => receiver.close());
    const time = manualTime();
    const send = webhookSender({ address: addressOf({ url: receiver.url }), runtime: time });
    const { notifier, log } = await leading([{ name: `webhook ${receiver.host}`, wants: () => true, send }], { time });
    receiver.answer = 503;
    notifier.observe(failed());
    await receiver.received(1);
    while (!log.text().includes('is tried again')) await time.advance(0);
    receiver.answer = 204;
    await time.advance(retryDelaysMs[0]!);
    await receiver.received(2);
    await notifier.idle();
    await time.advance(60 * minute);
    expect(receiver.calls).toHaveLength(2);
    expect(new Set(receiver.calls.map(call => call.headers['holdfast-delivery'])).size).toBe(1);
    expect(log.text()).toContain(receiver.host);
    expect(log.text()).not.toContain('s3cr3t');
  });
});

import { type ConditionEvent, type Notice, type NoticeEvent, noticeKinds, type Occurrence } from './notice.ts';

/** While a condition lasts, it is told again this often. */
export const remindEveryMs = 24 * 3_600_000;
/** Incidents of one key are told one by one only when they are this far apart. */
export const incidentGapMs = 3_600_000;
/** A condition that came back within this time must stay away longer and longer until it counts as over. */
export const relapseMemoryMs = 24 * 3_600_000;
const firstRelapseMs = 5 * 60_000;
const longestSettleMs = 6 * 3_600_000;
/** Keys that are remembered; beyond, the ones that were quiet for longest are forgotten. */
export const mostKeys = 1_000;

/** What was seen. A `key` names one thing that can be in order or not: `backup/platform/daily`. */
export type Observation =
  | { readonly type: 'holds'; readonly key: string; readonly occurrence: Occurrence & { readonly event: ConditionEvent } }
  /** In order, or in order again; `what` tells of the recovery. */
  | { readonly type: 'over'; readonly key: string; readonly what?: string; readonly subject?: string }
  | { readonly type: 'happened'; readonly key: string; readonly occurrence: Occurrence }
  /** All conditions whose key begins so are over, but for those that are named. */
  | { readonly type: 'only'; readonly prefix: string; readonly keys: readonly string[]; readonly what: string };

type KeyedObservation = Exclude<Observation, { readonly type: 'only' }>;

/** One key. Times are milliseconds since 1970. JSON, so that the next leader can go on from it. */
export interface Episode {
  readonly occurrence: Occurrence;
  readonly since: number;
  /** When it was told last; absent while it is not told. */
  readonly toldAt?: number;
  /** The worst event that was told in this episode. */
  readonly toldEvent?: NoticeEvent;
  /** Since when it is gone, without being over. */
  readonly goneAt?: number;
  readonly recovery?: { readonly what?: string; readonly subject?: string };
  /** When it was over; only the count of relapses is of interest then. */
  readonly endedAt?: number;
  /** How often it came back within the memory. */
  readonly relapses: number;
  /** An incident, and how many of them were not told. */
  readonly untold?: number;
}

export type NoticeMemory = Readonly<Record<string, Episode>>;

export interface Step {
  readonly memory: NoticeMemory;
  /** To be told now, in the order in which things happened. */
  readonly notices: readonly Notice[];
}

/**
 * What is to be told after these observations, or as time goes by without any. A condition is told once when it begins, again when it becomes
 * worse, every 24 hours while it lasts, and when it is over, if its beginning was told. Pure; a clock that is put back delays nothing.
 */
export function observe(memory: NoticeMemory, observations: readonly Observation[], at: Date): Step {
  const now = at.getTime();
  const episodes = new Map(Object.entries(memory).map(([key, episode]) => [key, withoutFuture(episode, now)]));
  const notices: Notice[] = [];
  for (const observation of observations.flatMap(one => keyed(one, episodes))) {
    const before = episodes.get(observation.key);
    const after = see(before, observation, now);
    if (after === undefined) continue;
    episodes.set(observation.key, after);
    advance(episodes, observation.key, after, now, notices);
  }
  for (const [key, episode] of [...episodes]) advance(episodes, key, episode, now, notices);
  return { memory: Object.fromEntries(bounded(episodes)), notices };
}

function keyed(observation: Observation, episodes: ReadonlyMap<string, Episode>): KeyedObservation[] {
  if (observation.type !== 'only') return [observation];
  const { prefix, keys, what } = observation;
  const gone = [...episodes.keys()].filter(key => key.startsWith(prefix) && !keys.includes(key));
  return gone.map(key => ({ type: 'over', key, what }));
}

/** Times that a wrong clock put into the future are now: else nothing would be told until they have come. */
function withoutFuture(episode: Episode, now: number): Episode {
  const clamp = (time: number | undefined): number | undefined => (time === undefined ? undefined : Math.min(time, now));
  const { toldAt, goneAt, endedAt } = episode;
  const clamped = { toldAt: clamp(toldAt), goneAt: clamp(goneAt), endedAt: clamp(endedAt) };
  const known = Object.fromEntries(Object.entries(clamped).filter(([, time]) => time !== undefined));
  return { ...episode, since: Math.min(episode.since, now), ...known };
}

function see(before: Episode | undefined, observation: KeyedObservation, now: number): Episode | undefined {
  if (observation.type === 'over') {
    if (before === undefined || before.endedAt !== undefined || before.goneAt !== undefined || isIncident(before)) return undefined;
    const { what, subject } = observation;
    return { ...before, goneAt: now, recovery: { ...(what !== undefined && { what }), ...(subject !== undefined && { subject }) } };
  }
  const { occurrence } = observation;
  if (observation.type === 'happened') {
    const { untold = 0, ...known } = before ?? { since: now, relapses: 0 };
    return { ...known, occurrence, untold: untold + 1 };
  }
  if (before === undefined) return { occurrence, since: now, relapses: 0 };
  if (before.endedAt !== undefined || isIncident(before)) return { occurrence, since: now, relapses: before.relapses + 1 };
  const { goneAt: _, recovery: __, ...lasting } = before;
  return { ...lasting, occurrence };
}

/** Tells what is due of one key, and forgets what has had its time. */
function advance(episodes: Map<string, Episode>, key: string, episode: Episode, now: number, notices: Notice[]): void {
  const { notice, next } = isIncident(episode) ? stepIncident(episode, now) : stepCondition(episode, now);
  if (notice !== undefined) notices.push(notice);
  if (next === undefined) episodes.delete(key);
  else episodes.set(key, next);
}

interface Told {
  readonly notice?: Notice;
  /** Absent where nothing need be remembered. */
  readonly next?: Episode;
}

function isIncident({ untold }: Episode): boolean {
  return untold !== undefined;
}

function stepIncident(episode: Episode, now: number): Told {
  const { untold = 0, toldAt, occurrence } = episode;
  if (toldAt !== undefined && now - toldAt < incidentGapMs) return { next: episode };
  if (untold === 0) return {};
  const notice = noticeOf(occurrence, 'happened', now, untold === 1 ? {} : { more: untold - 1 });
  return { notice, next: { ...episode, untold: 0, toldAt: now } };
}

function stepCondition(episode: Episode, now: number): Told {
  if (episode.endedAt !== undefined) return now - episode.endedAt >= relapseMemoryMs ? {} : { next: episode };
  return episode.goneAt === undefined ? stepLasting(episode, now) : stepGone(episode, episode.goneAt, now);
}

function stepLasting(episode: Episode, now: number): Told {
  const { occurrence, since, toldAt, toldEvent } = episode;
  const { event } = occurrence;
  if (toldAt === undefined || toldEvent === undefined) {
    if (now - since < noticeKinds[event].holdMs) return { next: episode };
    return told(episode, 'began', event, now);
  }
  if (badness(event) > badness(toldEvent)) return told(episode, 'began', event, now);
  return now - toldAt >= remindEveryMs ? told(episode, 'lasts', toldEvent, now) : { next: episode };
}

function told(episode: Episode, state: 'began' | 'lasts', toldEvent: NoticeEvent, now: number): Told {
  return { notice: noticeOf(episode.occurrence, state, now, since(episode)), next: { ...episode, toldAt: now, toldEvent } };
}

function stepGone(episode: Episode, goneAt: number, now: number): Told {
  const { occurrence, toldEvent, relapses, recovery = {} } = episode;
  const event = toldEvent ?? occurrence.event;
  if (now - goneAt < settleMs(event, relapses)) return { next: episode };
  // What nobody heard of needs no recovery.
  if (toldEvent === undefined) return {};
  const { subject = occurrence.subject, what = `in order again: ${occurrence.what}` } = recovery;
  const { policy, tier } = occurrence;
  const over: Occurrence = {
    event: event === 'backup.failed' || event === 'backup.partially-failed' ? 'backup.recovered' : event,
    ...{ severity: 'info', what, why: '', hint: '' },
    ...(policy !== undefined && { policy }),
    ...(tier !== undefined && { tier }),
    ...(subject !== undefined && { subject }),
  };
  const ended: Episode = { occurrence, since: episode.since, endedAt: now, relapses };
  return { notice: noticeOf(over, 'recovered', now, since(episode)), next: ended };
}

function settleMs(event: NoticeEvent, relapses: number): number {
  const { settleMs: own } = noticeKinds[event];
  return relapses === 0 ? own : Math.min(Math.max(own, firstRelapseMs) * 2 ** Math.min(relapses, 20), longestSettleMs);
}

function since({ since: began }: Episode): { since: string } {
  return { since: new Date(began).toISOString() };
}

function noticeOf(occurrence: Occurrence, state: Notice['state'], now: number, more: Pick<Notice, 'since' | 'more'>): Notice {
  const { event, severity = noticeKinds[event].severity } = occurrence;
  return { ...occurrence, severity, state, at: new Date(now).toISOString(), ...more };
}

function badness(event: NoticeEvent): number {
  return ['info', 'warning', 'error'].indexOf(noticeKinds[event].severity);
}

/** Those that are over go first, then incidents, then what was told longest ago. */
function bounded(episodes: Map<string, Episode>): Iterable<[string, Episode]> {
  if (episodes.size <= mostKeys) return episodes;
  const rank = (episode: Episode): number => (episode.endedAt !== undefined ? 0 : isIncident(episode) ? 1 : 2);
  const last = ({ endedAt, toldAt, since: began }: Episode): number => endedAt ?? toldAt ?? began;
  return [...episodes].toSorted(([, a], [, b]) => rank(b) - rank(a) || last(b) - last(a)).slice(0, mostKeys);
}

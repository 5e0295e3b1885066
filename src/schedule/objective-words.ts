import type { Part } from '../domain/policy.ts';
import type { ObjectiveState, ObjectiveStatus } from './objectives.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** Policies that one sentence names. */
const mostNamed = 5;

/** A time span for people, rounded down: `45 s`, `12 min`, `3 h`, `26 h`, `5 d`. */
export function span(ms: number): string {
  if (ms < 2 * minuteMs) return `${Math.max(0, Math.floor(ms / 1000))} s`;
  if (ms < 2 * hourMs) return `${Math.floor(ms / minuteMs)} min`;
  return ms < 72 * hourMs ? `${Math.floor(ms / hourMs)} h` : `${Math.floor(ms / (24 * hourMs))} d`;
}

/** What parts are called in sentences. */
export const partWords = {
  resources: 'resources',
  volumeSnapshots: 'volume snapshots',
  volumeData: 'volume data',
  artifacts: 'artifacts',
  offsiteCopy: 'off-site copy',
} as const satisfies Record<Part, string>;

const stateWords = {
  met: 'is protected',
  'at-risk': 'is at risk',
  breached: 'is not protected',
  unknown: 'is not known to be protected',
} as const satisfies Record<ObjectiveState, string>;

/** Worst last. */
const badness = { met: 0, unknown: 1, 'at-risk': 2, breached: 3 } as const satisfies Record<ObjectiveState, number>;

/** One sentence: `platform is protected: newest complete set is 3 h old (objective 26 h); volume data is not protected`. */
export function objectiveMessage(status: Omit<ObjectiveStatus, 'message'>, calledOff?: string): string {
  const { policy, tier, state, objectives, lastComplete, rtoLastMs, overdueSince, notProtected } = status;
  const name = tier === undefined ? policy : `${policy}/${tier}`;
  const promised = objectives.rpoMs !== undefined || objectives.rtoMs !== undefined;
  const standing = promised || lastComplete === undefined ? stateWords[state] : 'has no objective';
  return [
    `${name} ${standing}: ${newestWords(status)}`,
    ...(objectives.rtoMs !== undefined && rtoLastMs !== undefined && rtoLastMs > objectives.rtoMs
      ? [`the last restore took ${span(rtoLastMs)} (objective ${span(objectives.rtoMs)})`]
      : []),
    ...(overdueSince === undefined ? [] : [`overdue since ${minute(overdueSince)}`]),
    ...(calledOff === undefined ? [] : [`the run of ${minute(calledOff)} was called off`]),
    ...(lastComplete === undefined || notProtected.length === 0 ? [] : [partsWords(notProtected)]),
  ].join('; ');
}

function newestWords({ lastComplete, rpoNowMs, objectives }: Omit<ObjectiveStatus, 'message'>): string {
  const objective = objectives.rpoMs === undefined ? '' : ` (objective ${span(objectives.rpoMs)})`;
  return lastComplete === undefined || rpoNowMs === undefined
    ? `there is no complete set${objective}`
    : `newest complete set is ${span(rpoNowMs)} old${objective}`;
}

/** `volume data and artifacts are not protected` */
function partsWords(some: readonly Part[]): string {
  const words = some.map(part => partWords[part]);
  const plural = some.length > 1 || words[0]!.endsWith('s');
  const list = words.length === 1 ? words[0] : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
  return `${list} ${plural ? 'are' : 'is'} not protected`;
}

/** `2026-11-23 02:00 UTC` */
function minute(at: string): string {
  return `${at.slice(0, 10)} ${at.slice(11, 16)} UTC`;
}

/** Is the platform protected? One sentence for people, the worst policy first; tiers are named where they are worse than their policy. */
export function verdict(statuses: readonly ObjectiveStatus[]): string {
  const policies = statuses
    .filter(({ tier }) => tier === undefined)
    .map(whole => ({ whole, tiers: statuses.filter(({ policy, tier }) => policy === whole.policy && tier !== undefined) }))
    .map(one => ({ ...one, worst: Math.max(badness[one.whole.state], ...one.tiers.map(({ state }) => promisedBadness(state))) }))
    .toSorted((a, b) => b.worst - a.worst);
  if (policies.length === 0) return 'nothing is protected: there is no policy';
  const clauses = policies.slice(0, mostNamed).map(({ whole, tiers }) => [whole.message, ...tiers.flatMap(tierWords(whole))].join('; '));
  const more = policies.length - mostNamed;
  return [...clauses, ...(more > 0 ? [`${more} more ${more === 1 ? 'policy' : 'policies'}, none worse than these`] : [])].join('; ');
}

/** A tier without objectives of its own is `unknown`, and that is nothing to speak of. */
function promisedBadness(state: ObjectiveState): number {
  return state === 'unknown' ? badness.met : badness[state];
}

function tierWords(whole: ObjectiveStatus): (tier: ObjectiveStatus) => string[] {
  return status => {
    const worse = promisedBadness(status.state) > badness[whole.state];
    const objective = worse ? [`tier ${status.tier} ${stateWords[status.state]}: ${newestWords(status)}`] : [];
    const overdue = status.overdueSince === undefined || status.overdueSince === whole.overdueSince;
    return [...objective, ...(overdue ? [] : [`tier ${status.tier} is overdue since ${minute(status.overdueSince!)}`])];
  };
}

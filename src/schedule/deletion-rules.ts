import type { ErrorCode } from '../domain/errors.ts';
import type { Part } from '../domain/policy.ts';
import { isWholeCluster, sameSelection } from '../domain/selection.ts';
import type { ReadableSet, SetSummary } from '../repository/catalog.ts';
import { decisionOn, doingWith, isReadable, type Judged, judge, newestReason, type RetentionInput } from './retention.ts';
import { type Candidate, clusterOf, isSameNewest, newestIn, tiersOf } from './retention-standing.ts';

/** Why a set may not be deleted, though somebody asks for it. */
export interface DeletionRefusal {
  readonly code: Extract<ErrorCode, 'BACKUP_HELD' | 'BACKUP_IN_USE' | 'BACKUP_NEEDED'>;
  readonly message: string;
  readonly hint: string;
}

export interface DeletionVerdict {
  /** What would keep it if nobody asked; empty where retention lets it go anyway. */
  readonly keptBy: readonly string[];
  /** What goes with it that no other set of its cluster has. */
  readonly warnings: readonly string[];
  readonly refusal?: DeletionRefusal;
}

/** A verdict, and what it rests on. */
export interface Judgement {
  readonly verdict: DeletionVerdict;
  /**
   * The few sets that it may go by; none where it may not: those that are newer of its policies and tiers, one that has what it was asked to have, and one with
   * each kind of volume data that it has. While these are there, and can be read, it may go whatever becomes of all others.
   */
  readonly restsOn: readonly ReadableSet[];
}

export type DeletionInput = Omit<RetentionInput, 'limits'>;

const partWords: Readonly<Partial<Record<Part, string>>> = {
  volumeSnapshots: 'snapshots of its volumes',
  volumeData: 'the data of its volumes',
  artifacts: 'the artifact repository',
};

/**
 * May somebody delete this set, one of the `sets`? The time of its tier may be cut short by who asks; what stays whatever the time says stays here
 * too, and so does the last complete set of a cluster, whatever its tier. Pure.
 */
export function judgeDeletion(set: SetSummary, input: DeletionInput): Judgement {
  const looked = judge(input);
  const { action, reasons } = decisionOn(set, looked, input);
  const refusal = heldRefusal(set, input) ?? useRefusal(set, input) ?? neededRefusal(set, looked, input);
  return {
    verdict: {
      keptBy: action === 'keep' ? reasons : [],
      warnings: isReadable(set) ? warningsOf(set, looked) : [],
      ...(refusal !== undefined && { refusal }),
    },
    restsOn: refusal === undefined ? restsOn(set, looked, input) : [],
  };
}

function restsOn(set: SetSummary, { judged, standingOf }: Judged, { policies }: DeletionInput): readonly ReadableSet[] {
  // One that cannot be read is none of those that are judged.
  if (!isReadable(set)) return judged.flatMap(other => (isComplete(other) ? [other.set] : [])).slice(-1);
  const own = tiersOf(set, policies).memberships.flatMap(newestIn);
  const ofCluster = othersOfCluster(set, judged);
  const newer = ofCluster.filter(other => standingOf(other.set).newestOf.some(of => own.some(one => isSameNewest(of, one))));
  const instead = ofCluster.findLast(other => standsFor(other, set) && (set.phase !== 'Completed' || isComplete(other)));
  const withParts = partsOf(set)
    .filter(part => partWords[part] !== undefined)
    .map(part => ofCluster.findLast(other => partsOf(other.set).includes(part)));
  return [...new Set([...newer, instead, ...withParts].flatMap(other => (other === undefined ? [] : [other.set])))];
}

function heldRefusal({ id }: SetSummary, { holds }: DeletionInput): DeletionRefusal | undefined {
  const held = holds.find(({ set }) => set === id);
  if (held === undefined) return undefined;
  return {
    code: 'BACKUP_HELD',
    message: `${id} is held by ${held.by}: ${held.reason}`,
    hint: `if it need not be kept any more, release it first: holdfast release ${id} --reason "why"`,
  };
}

function useRefusal({ id }: SetSummary, { busy }: DeletionInput): DeletionRefusal | undefined {
  const doing = doingWith(id, busy);
  if (doing === undefined) return undefined;
  const hint =
    'run the same command when that has ended; what was killed, or stands still, counts for half an hour more, and for a day since a service was asked for it';
  return { code: 'BACKUP_IN_USE', message: `${id} is ${doing}`, hint };
}

function neededRefusal(set: SetSummary, { judged, standingOf }: Judged, input: DeletionInput): DeletionRefusal | undefined {
  const needed = (why: string, hint: string): DeletionRefusal => ({ code: 'BACKUP_NEEDED', message: `${set.id} must stay: ${why}`, hint });
  if (!isReadable(set)) {
    if (judged.some(isComplete)) return undefined;
    return needed(
      'it cannot be read, and there is no complete set that can: what is left of it may be all that there is',
      'docs/format.md says how to open its files by hand; take a complete backup first: holdfast backup create',
    );
  }
  const newest = standingOf(set).newestOf.map(of => newestReason(of, set, input));
  if (newest.length > 0) {
    return needed(`it is ${newest.join(', and ')}`, 'it can go when there is a newer complete set of the same policy and tier');
  }
  const last = lastOf(set, judged);
  return last === undefined ? undefined : needed(`it is ${last}`, 'take another complete backup first: holdfast backup create');
}

function lastOf(set: ReadableSet, judged: readonly Candidate[]): string | undefined {
  const others = othersOfCluster(set, judged).filter(other => standsFor(other, set));
  const scope = isWholeCluster(set.selection) ? '' : ' that has what it was asked to have';
  if (set.phase === 'Completed') return others.some(isComplete) ? undefined : `the last complete set of ${set.cluster.server}${scope}`;
  return others.length > 0 ? undefined : `the last set of ${set.cluster.server}${scope}`;
}

function othersOfCluster(set: ReadableSet, judged: readonly Candidate[]): readonly Candidate[] {
  return judged.filter(other => other.set.id !== set.id && clusterOf(other) === clusterOf({ set }));
}

/** Another set takes its place only where it was asked for the same, in whatever order that was written, or for everything. */
function standsFor({ set: { selection } }: Candidate, set: ReadableSet): boolean {
  return isWholeCluster(selection) || sameSelection(selection, set.selection);
}

function isComplete({ set }: Candidate): boolean {
  return set.phase === 'Completed';
}

function warningsOf(set: ReadableSet, { judged }: Judged): string[] {
  const elsewhere = new Set(othersOfCluster(set, judged).flatMap(other => partsOf(other.set)));
  return partsOf(set).flatMap(part => {
    const words = partWords[part];
    return words === undefined || elsewhere.has(part) ? [] : [`no other set of its cluster has ${words}`];
  });
}

function partsOf({ asked = [], notProtected }: ReadableSet): Part[] {
  return asked.filter(part => !notProtected.includes(part));
}

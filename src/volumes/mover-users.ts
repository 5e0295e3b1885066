import type { ClaimPlace } from '../domain/claim-request.ts';
import { HoldfastError } from '../domain/errors.ts';
import { type JsonObject, stringAt } from '../domain/json.ts';
import type { Progress } from '../domain/runtime.ts';
import { claimName, volumeNames } from '../domain/volume.ts';
import { hasEnded, inUse, podsUsing, type UsersContext, uses } from './claim-users.ts';
import { pods } from './kinds.ts';
import { isForeign, labelValue } from './labels.ts';
import { jobLabel, repositoryLabel } from './mover-job.ts';
import { judgePod } from './mover-pod.ts';

export interface MoverUsersContext extends UsersContext {
  readonly progress: Progress;
  /** Whose movers are ours; all are where nobody says. */
  readonly installation?: string | undefined;
  /** How long movers that end are waited for, milliseconds; two minutes unless told, longer than their grace period and a slow unmount. */
  readonly endingMs?: number;
}

/** What is about to have the claim: the restore of a set from a repository. */
export interface ComingRestore {
  readonly set: string;
  /** Key of the repository. */
  readonly repository: string;
}

const defaultEndingMs = 120_000;

/** A mover of this installation, which no workload knows of. */
export function isOurMover(pod: JsonObject, installation: string | undefined): boolean {
  return stringAt(pod, 'metadata', 'labels', jobLabel) !== undefined && !isForeign(pod, installation);
}

/** Pods that have the claim, or will, and are no movers of ours. */
export async function workloadsUsing(
  place: ClaimPlace,
  context: UsersContext & Pick<MoverUsersContext, 'installation'>,
): Promise<readonly JsonObject[]> {
  return (await podsUsing(place, context)).filter(pod => !isOurMover(pod, context.installation));
}

/**
 * Waits until the movers of ours that end have let the claim go, and tells of them: the pod of one that is done is still there while its volumes are
 * unmounted. VOLUME_IN_USE, at once, where a mover of other work has it; and where one that ends does not go. What an earlier life of the same restore has left
 * is nothing to wait for: `Movers` ends it.
 */
export async function untilMoversGone(place: ClaimPlace, coming: ComingRestore | undefined, context: MoverUsersContext): Promise<void> {
  const { objects, signal, progress, installation, endingMs = defaultEndingMs } = context;
  let told = '';
  let left: readonly JsonObject[] = [];
  const look = (all: ReadonlyMap<string, JsonObject>): true | undefined => {
    const movers = [...all.values()].filter(pod => uses(pod, place.claim) && !hasEnded(pod) && isOurMover(pod, installation));
    const busy = movers.find(pod => !isEnding(pod) && !isLeftBy(pod, coming, installation));
    if (busy !== undefined) throw atWork(place, busy);
    left = movers.filter(isEnding);
    if (left.length === 0) return true;
    const names = left.map(pod => stringAt(pod, 'metadata', 'name') ?? '').sort();
    const detail = `movers to let ${place.namespace}/${place.claim} go: ${names.join(', ')}`;
    if (detail !== told) progress({ phase: 'wait', detail });
    told = detail;
    return undefined;
  };
  const gone = await objects.observe(pods, { namespace: place.namespace }, look, { timeoutMs: endingMs, signal });
  if (gone === undefined) throw inUse(place, left, `: movers that are done, and do not go within ${Math.round(endingMs / 1000)} s`);
}

/** It has been told to go, or has nothing left to do. */
function isEnding(pod: JsonObject): boolean {
  return stringAt(pod, 'metadata', 'deletionTimestamp') !== undefined || ['ended', 'failed'].includes(judgePod(pod).state);
}

/** Only the lease of the same repository tells whether that restore is at work; `Movers` waits for it. */
function isLeftBy(pod: JsonObject, coming: ComingRestore | undefined, installation: string | undefined): boolean {
  const label = (name: string) => stringAt(pod, 'metadata', 'labels', name);
  return (
    coming !== undefined &&
    label(volumeNames.roleLabel) === 'restore' &&
    label(volumeNames.workLabel) === labelValue(coming.set) &&
    label(volumeNames.repositoryLabel) === repositoryLabel(coming.repository, installation)
  );
}

function atWork(place: ClaimPlace, mover: JsonObject): HoldfastError {
  const label = (name: string) => stringAt(mover, 'metadata', 'labels', name) ?? '';
  const doing = label(volumeNames.roleLabel) === 'restore' ? 'restored from' : 'backed up into';
  const work = `${doing} ${label(volumeNames.workLabel)} at this moment`;
  return new HoldfastError('VOLUME_IN_USE', `${claimName(place)} is ${work}, by pods ${stringAt(mover, 'metadata', 'name')}`, {
    hint: 'wait until that is done, or cancel it, and try again',
  });
}

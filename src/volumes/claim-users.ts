import type { ClaimPlace } from '../domain/claim-request.ts';
import { HoldfastError } from '../domain/errors.ts';
import { at, type Json, type JsonObject, stringAt } from '../domain/json.ts';
import { claimName } from '../domain/volume.ts';
import { pods } from './kinds.ts';
import type { Objects } from './objects.ts';

export interface UsersContext {
  readonly objects: Objects;
  readonly signal: AbortSignal;
}

/** Pods that have the claim, or will: ended ones do not count. */
export async function podsUsing({ namespace, claim }: ClaimPlace, { objects, signal }: UsersContext): Promise<readonly JsonObject[]> {
  return (await objects.list(pods, { namespace }, signal)).filter(pod => uses(pod, claim) && !hasEnded(pod));
}

export function uses(pod: JsonObject, claim: string): boolean {
  const volumes = at(pod, 'spec', 'volumes');
  if (!Array.isArray(volumes)) return false;
  const ephemeral = (volume: Json) =>
    at(volume, 'ephemeral') !== undefined && `${stringAt(pod, 'metadata', 'name')}-${stringAt(volume, 'name')}` === claim;
  return volumes.some(volume => stringAt(volume, 'persistentVolumeClaim', 'claimName') === claim || ephemeral(volume));
}

export function hasEnded(pod: JsonObject): boolean {
  return ['Succeeded', 'Failed'].includes(stringAt(pod, 'status', 'phase') ?? '');
}

/** VOLUME_IN_USE with the names of the pods. */
export function inUse(place: ClaimPlace, users: readonly JsonObject[], why = ''): HoldfastError {
  const names = users.map(pod => stringAt(pod, 'metadata', 'name') ?? '').sort();
  const most = 10;
  const shown = names.length > most ? `${names.slice(0, most).join(', ')} and ${names.length - most} more` : names.join(', ');
  return new HoldfastError('VOLUME_IN_USE', `${claimName(place)} is used by pods ${shown}${why}`);
}

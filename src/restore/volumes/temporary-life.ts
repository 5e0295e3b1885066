import type { ClaimPlace } from '../../domain/claim-request.ts';
import { HoldfastError, isCode } from '../../domain/errors.ts';
import { at, type JsonObject, stringAt } from '../../domain/json.ts';
import type { Runtime } from '../../domain/runtime.ts';
import { podsUsing } from '../../volumes/claim-users.ts';
import { claims as claimKind, volumes as volumeKind } from '../../volumes/kinds.ts';
import { createObjects } from '../../volumes/objects.ts';
import { letGo, readTaken } from '../../volumes/reclaim.ts';
import { waitUntil } from '../patience.ts';
import { discardVolume, type HandoverContext, takeVolume } from './handover.ts';
import { isMadeFor } from './temporary-claim.ts';
import type { VolumeTools } from './tools.ts';

export interface TemporaryContext extends HandoverContext {
  readonly set: string;
  readonly tools: VolumeTools;
  readonly runtime: Runtime;
}

export interface WantedTemporary {
  /** As `temporaryClaim` and `temporaryClaimFor` make it. */
  readonly object: JsonObject;
  readonly temporary: ClaimPlace;
  /** The claim that its volume is for. */
  readonly place: ClaimPlace;
  /** The volume that is there, and that it shall have. */
  readonly fixed: string | undefined;
}

/** Waits for objects of the control plane, not for data. */
export const handoverMs = 120_000;

/**
 * Makes the temporary claim, or finds the one that an earlier life of the same restore has made. One that was made for something else goes first, with
 * its volume: what that has was never whole. VOLUME_IN_USE while a mover has it still.
 */
export async function makeTemporary({ object, temporary, place, fixed }: WantedTemporary, context: TemporaryContext): Promise<void> {
  const { cluster, runtime, set, signal, onWrite } = context;
  const objects = createObjects(cluster, runtime);
  for (let attempt = 0; ; attempt += 1) {
    const found = await objects.read(claimKind, temporary.namespace, temporary.claim, signal);
    const stays = at(found, 'metadata', 'deletionTimestamp') === undefined;
    const same = found !== undefined && stays && isMadeFor(found, object);
    if (found !== undefined && !same) await giveUp(found, temporary, context);
    if (fixed !== undefined) await takeVolume(fixed, { set, place, temporary, now: runtime.now() }, context);
    if (same) return;
    onWrite();
    try {
      await cluster.create(claimKind, temporary.namespace, JSON.stringify(object), { fieldManager: 'holdfast', signal });
      return;
    } catch (thrown) {
      if (!isCode(thrown, 'CLUSTER_CONFLICT') || attempt === 2) throw thrown;
    }
  }
}

async function giveUp(found: JsonObject, temporary: ClaimPlace, context: TemporaryContext): Promise<void> {
  const { cluster, runtime, signal } = context;
  const objects = createObjects(cluster, runtime);
  const users = () => podsUsing(temporary, { objects, signal });
  const free = async () => (await users()).length === 0;
  if (!(await waitUntil(free, { runtime, signal, waitMs: handoverMs }))) throw atWork(temporary, await users());
  const name = stringAt(found, 'spec', 'volumeName');
  const volume = name === undefined ? undefined : await objects.read(volumeKind, '', name, signal);
  const own = isOf(volume, found) ? volume : undefined;
  await removeTemporary(temporary, own, context);
  await untilGone(temporary, context);
  if (name === undefined || readTaken(own) === undefined) return;
  // Given back: who takes it again must not write at the same moment as the volume controller, which still has to say that it is free.
  const settled = async () => stringAt(await objects.read(volumeKind, '', name, signal), 'status', 'phase') !== 'Released';
  await waitUntil(settled, { runtime, signal, waitMs: handoverMs });
}

function atWork({ namespace, claim }: ClaimPlace, pods: readonly JsonObject[]): HoldfastError {
  const names = pods.map(pod => stringAt(pod, 'metadata', 'name') ?? '').sort();
  const message = `another restore of the same claim fills the temporary claim ${namespace}/${claim}, by pods ${names.join(', ')}`;
  return new HoldfastError('VOLUME_IN_USE', message, { hint: 'wait until that is done, or cancel it, and try again' });
}

/** A claim may name a volume that it has not got. */
function isOf(volume: JsonObject | undefined, claim: JsonObject): boolean {
  const same = (name: string) => stringAt(volume, 'spec', 'claimRef', name) === stringAt(claim, 'metadata', name);
  return same('namespace') && same('name') && (same('uid') || at(volume, 'spec', 'claimRef', 'uid') === undefined);
}

/** With its volume, also where its class would retain that; one that was there before us is given back. */
export async function removeTemporary(temporary: ClaimPlace, volume: JsonObject | undefined, context: TemporaryContext): Promise<void> {
  const { cluster, signal, onWrite } = context;
  const name = stringAt(volume, 'metadata', 'name');
  const taken = readTaken(volume) !== undefined;
  if (name !== undefined && !taken) {
    onWrite();
    await cluster.patch(volumeKind, '', name, { type: 'merge', body: JSON.stringify(letGo(volume)) }, { signal });
  }
  await deleteTemporary(temporary, context);
  if (name === undefined || !taken) return;
  // A claim that is there still would have it back at once.
  await untilGone(temporary, context);
  await discardVolume(name, temporary.namespace, context);
}

export async function deleteTemporary({ namespace, claim }: ClaimPlace, context: HandoverContext): Promise<void> {
  const { cluster, signal, onWrite } = context;
  if ((await cluster.get(claimKind, namespace, claim, { signal })) === undefined) return;
  onWrite();
  await cluster.delete(claimKind, namespace, claim, { signal });
}

/** TIMEOUT where something holds it. */
export async function untilGone({ namespace, claim }: ClaimPlace, { cluster, runtime, signal }: TemporaryContext): Promise<void> {
  const gone = async () => (await cluster.get(claimKind, namespace, claim, { signal })) === undefined;
  if (await waitUntil(gone, { runtime, signal, waitMs: handoverMs })) return;
  throw new HoldfastError('TIMEOUT', `the temporary claim ${namespace}/${claim} does not go away: a pod holds it`);
}

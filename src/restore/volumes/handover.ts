import type { ClusterApi } from '../../cluster/cluster-api.ts';
import type { ClaimPlace } from '../../domain/claim-request.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { at, isObject, type JsonObject, parseJson, stringAt } from '../../domain/json.ts';
import { quantityBytes } from '../../domain/quantity.ts';
import { claimName, volumeNames } from '../../domain/volume.ts';
import { claims as claimKind, volumes as volumeKind } from '../../volumes/kinds.ts';
import { isForeign } from '../../volumes/labels.ts';
import {
  discardPatch,
  filledAnnotation,
  markAnnotations,
  markLabels,
  nothing,
  readTaken,
  reclaimAnnotation,
  type Taken,
  takenAnnotation,
} from '../../volumes/reclaim.ts';
import { type WaitOptions, waitUntil } from '../patience.ts';
import { restoreLabels } from './temporary-claim.ts';

/** What was written to a volume. */
export interface Filled {
  readonly source: 'snapshot' | 'repository';
  readonly bytes: number;
  readonly files: number;
  readonly durationMs: number;
  /** It had files before, and nothing was written to it. */
  readonly occupied?: true;
  /** Only these files and folders were; everything where none are named. */
  readonly include?: readonly string[];
}

/** A volume that was filled and waits for its claim. */
export interface FilledVolume {
  readonly name: string;
  /** The set that its data is from. */
  readonly set: string;
  /** `<namespace>/<claim>`, as its annotation says. */
  readonly claim: string;
  readonly filled: Filled;
  /** No claim of another name has it any more. */
  readonly handedOver: boolean;
  readonly phase: string;
  readonly storageClass: string;
  readonly sizeBytes: number;
  /** Another installation has filled it. */
  readonly foreign: boolean;
}

export interface HandoverContext {
  /** What is written on volumes says whose they are. */
  readonly tools?: { readonly installation?: string };
  readonly cluster: ClusterApi;
  readonly signal: AbortSignal;
  /** Called once per write request. */
  readonly onWrite: () => void;
}

/** Undefined for a volume that no restore has filled. `installation`: ours. */
export function readFilled(volume: JsonObject, installation?: string): FilledVolume | undefined {
  const text = stringAt(volume, 'metadata', 'annotations', filledAnnotation);
  const claim = stringAt(volume, 'metadata', 'annotations', volumeNames.claimAnnotation);
  if (text === undefined || claim === undefined) return undefined;
  const holder = `${stringAt(volume, 'spec', 'claimRef', 'namespace')}/${stringAt(volume, 'spec', 'claimRef', 'name')}`;
  return {
    name: stringAt(volume, 'metadata', 'name') ?? '',
    set: stringAt(volume, 'metadata', 'labels', volumeNames.workLabel) ?? '',
    claim,
    filled: JSON.parse(text) as Filled,
    handedOver: holder === claim,
    phase: stringAt(volume, 'status', 'phase') ?? '',
    storageClass: stringAt(volume, 'spec', 'storageClassName') ?? '',
    sizeBytes: quantityBytes(stringAt(volume, 'spec', 'capacity', 'storage') ?? '') ?? 0,
    foreign: isForeign(volume, installation),
  };
}

/** Marks the volume as full and keeps it from being deleted along with the temporary claim: one write, so that it is never half so. */
export async function secureVolume(name: string, set: string, place: ClaimPlace, filled: Filled, context: HandoverContext): Promise<void> {
  const { labels, annotations } = marksOf(await readVolume(name, context), set, place, context);
  await patchVolume(
    name,
    {
      metadata: { labels, annotations: { ...annotations, [filledAnnotation]: JSON.stringify(filled) } },
      spec: { persistentVolumeReclaimPolicy: 'Retain' },
    },
    context,
  );
}

/**
 * Takes a volume that is there, for a temporary claim, and keeps it from being deleted along with that: one write, which fails with CLUSTER_CONFLICT
 * where somebody else has changed it since it was read. Does nothing where an earlier life of the same restore has taken it.
 */
export async function takeVolume(
  name: string,
  options: { readonly set: string; readonly place: ClaimPlace; readonly temporary: ClaimPlace; readonly now: Date },
  context: HandoverContext,
): Promise<void> {
  const { set, place, temporary, now } = options;
  const volume = await readVolume(name, context);
  const holder = at(volume, 'spec', 'claimRef');
  const [namespace, claim] = [stringAt(holder, 'namespace') ?? '', stringAt(holder, 'name') ?? ''];
  const taken = readTaken(volume);
  if (taken !== undefined && namespace === temporary.namespace && claim === temporary.claim) return;
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: temporary.namespace, name: temporary.claim };
  const before: Taken = taken ?? { at: now.toISOString(), claimRef: holder === undefined ? null : { namespace, name: claim } };
  const { labels, annotations } = marksOf(volume, set, place, context);
  await patchVolume(
    name,
    {
      metadata: {
        resourceVersion: stringAt(volume, 'metadata', 'resourceVersion') ?? '',
        labels,
        annotations: { ...annotations, [takenAnnotation]: JSON.stringify(before), 'pv.kubernetes.io/bound-by-controller': null },
      },
      spec: { persistentVolumeReclaimPolicy: 'Retain', claimRef: { ...claimRef, uid: null, resourceVersion: null } },
    },
    context,
  );
}

/** What tells a volume of ours from others, and what it will be given back. */
function marksOf(volume: JsonObject, set: string, place: ClaimPlace, { tools }: HandoverContext) {
  return {
    labels: { ...restoreLabels(set, place, tools?.installation) },
    annotations: { [volumeNames.claimAnnotation]: `${place.namespace}/${place.claim}`, [reclaimAnnotation]: policyOf(volume) },
  };
}

/** As it was before a restore set it to `Retain`. */
function policyOf(volume: JsonObject): string {
  return (
    stringAt(volume, 'metadata', 'annotations', reclaimAnnotation) ?? stringAt(volume, 'spec', 'persistentVolumeReclaimPolicy') ?? 'Delete'
  );
}

/**
 * Reserves the volume for a claim that need not be there yet: a reference without UID, which the volume controller completes when it comes
 * (kubernetes.io, "Reserving a PersistentVolume"). It says Available once that controller has seen it; the claim must not come earlier, or a
 * provisioner could make it another volume.
 */
export async function reserveVolume(name: string, { namespace, claim }: ClaimPlace, context: HandoverContext): Promise<void> {
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: claim, uid: null, resourceVersion: null };
  const annotations = { 'pv.kubernetes.io/bound-by-controller': null };
  await patchVolume(name, { metadata: { annotations }, spec: { claimRef } }, context);
}

const boundMs = 120_000;

/**
 * Waits until the claim is bound, and to this volume; then nothing on the volume tells of the restore any more. TIMEOUT, and RESTORE_PARTIAL where it is
 * bound to another one, which has none of the data: the volume stays as it is and waits.
 */
export async function confirmVolume(
  volume: string,
  place: ClaimPlace,
  context: HandoverContext & Pick<WaitOptions, 'runtime'>,
): Promise<void> {
  const { runtime, signal } = context;
  let bound: string | undefined;
  const seen = async () => {
    bound = await boundVolume(place, context);
    return bound !== undefined;
  };
  const name = claimName(place);
  if (!(await waitUntil(seen, { runtime, signal, waitMs: boundMs })))
    throw new HoldfastError('TIMEOUT', `${name} is there, but is not bound to its volume ${volume}`);
  if (bound === volume) return releaseVolume(volume, context);
  throw new HoldfastError('RESTORE_PARTIAL', `${name} is bound to ${bound}, and its data lies in the volume ${volume}`, {
    hint: 'delete the claim, if nothing in it is of worth, and run the same command again',
  });
}

/** After the claim is bound. */
async function releaseVolume(name: string, context: HandoverContext): Promise<void> {
  const volume = await readVolume(name, context);
  const policy = stringAt(volume, 'metadata', 'annotations', reclaimAnnotation);
  await patchVolume(
    name,
    {
      metadata: { labels: nothing(markLabels), annotations: nothing(markAnnotations) },
      ...(policy !== undefined && { spec: { persistentVolumeReclaimPolicy: policy } }),
    },
    context,
  );
}

/** Gives up a volume that was filled for a claim and is not wanted any more. */
export async function discardVolume(name: string, namespace: string, context: HandoverContext): Promise<void> {
  await patchVolume(name, discardPatch(await readVolume(name, context), namespace), context);
}

export async function readVolume(name: string, { cluster, signal }: HandoverContext): Promise<JsonObject> {
  const text = await cluster.get(volumeKind, '', name, { signal });
  const volume = text === undefined ? undefined : parseJson(text);
  if (!isObject(volume)) throw new HoldfastError('VOLUME_GONE', `the volume ${name} was deleted while it was being restored`);
  return volume;
}

/** Where a claim is bound to; undefined while it is not, or is not there. */
export async function boundVolume({ namespace, claim }: ClaimPlace, { cluster, signal }: HandoverContext): Promise<string | undefined> {
  const text = await cluster.get(claimKind, namespace, claim, { signal });
  const object = text === undefined ? undefined : parseJson(text);
  return at(object, 'status', 'phase') === 'Bound' ? stringAt(object, 'spec', 'volumeName') : undefined;
}

async function patchVolume(name: string, patch: JsonObject, { cluster, signal, onWrite }: HandoverContext): Promise<void> {
  onWrite();
  await cluster.patch(volumeKind, '', name, { type: 'merge', body: JSON.stringify(patch) }, { fieldManager: 'holdfast', signal });
}

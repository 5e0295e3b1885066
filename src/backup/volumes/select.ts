import { at, type JsonObject, stringAt } from '../../domain/json.ts';
import { labelMatcher } from '../../domain/label-selector.ts';
import { quantityBytes } from '../../domain/quantity.ts';
import { compileSelection, type Selection } from '../../domain/selection.ts';
import { type VolumeMode, type VolumeRecord, volumeNames } from '../../domain/volume.ts';

/** What a record says of a claim whatever becomes of it. */
export type ClaimFacts = Pick<VolumeRecord, 'namespace' | 'claim' | 'storageClass' | 'volumeMode' | 'accessModes' | 'sizeBytes'>;

/** A claim whose data is wanted. */
export interface WantedClaim {
  readonly facts: ClaimFacts;
  readonly mode: VolumeMode;
  readonly accessModes: readonly string[];
  /** PersistentVolume that it is bound to. */
  readonly volume: string;
  /** `live` where its owner wants it read while it is in use. */
  readonly method: 'snapshot' | 'live';
  /** VolumeSnapshotClass that its owner wants. */
  readonly snapshotClass?: string;
}

export interface Selected {
  readonly wanted: readonly WantedClaim[];
  /** Claims of the set that have no data, or whose owner wants it left out, each with its reason. */
  readonly left: readonly VolumeRecord[];
}

/** Which claims of the cluster are in the set, and which of them have data to capture. USAGE for a label selector that cannot be read. */
export function selectClaims(claims: readonly JsonObject[], selection: Selection): Selected {
  const selector = compileSelection(selection);
  const labels = labelMatcher(selection.labelSelector);
  const wanted: WantedClaim[] = [];
  const left: VolumeRecord[] = [];
  for (const claim of claims) {
    const facts = factsOf(claim);
    const own = at(claim, 'metadata', 'labels') ?? {};
    if (!selector.object({ group: '', resource: 'persistentvolumeclaims', namespace: facts.namespace, name: facts.claim })) continue;
    if (!labels(own as JsonObject) || at(own, volumeNames.workLabel) !== undefined) continue;
    const judged = judge(claim, facts);
    if (typeof judged === 'string') left.push({ ...facts, state: 'not-protected', reason: judged });
    else if ('state' in judged) left.push(judged);
    else wanted.push(judged);
  }
  return { wanted, left };
}

function judge(claim: JsonObject, facts: ClaimFacts): WantedClaim | VolumeRecord | string {
  const annotation = (name: string) => stringAt(claim, 'metadata', 'annotations', name);
  if (annotation(volumeNames.excludeAnnotation) === 'true') return `left out by its annotation ${volumeNames.excludeAnnotation}`;
  const phase = stringAt(claim, 'status', 'phase');
  const volume = stringAt(claim, 'spec', 'volumeName') ?? '';
  if (phase === 'Lost') return { ...facts, state: 'failed', code: 'VOLUME_GONE', reason: `its volume ${volume} is lost` };
  if (phase !== 'Bound' || volume === '') return 'it is not bound to a volume, and so has no data';
  const method = annotation(volumeNames.methodAnnotation) ?? 'snapshot';
  if (method !== 'snapshot' && method !== 'live') {
    const reason = `its annotation ${volumeNames.methodAnnotation} is ${JSON.stringify(method)}: snapshot and live are known`;
    return { ...facts, state: 'failed', code: 'VOLUME_UNSUPPORTED', reason };
  }
  const snapshotClass = annotation(volumeNames.classAnnotation);
  return {
    ...{ facts, volume, method, mode: facts.volumeMode ?? 'Filesystem', accessModes: facts.accessModes ?? [] },
    ...(snapshotClass !== undefined && { snapshotClass }),
  };
}

function factsOf(claim: JsonObject): ClaimFacts {
  const storageClass = stringAt(claim, 'spec', 'storageClassName');
  const modes = at(claim, 'status', 'accessModes') ?? at(claim, 'spec', 'accessModes');
  const size = stringAt(claim, 'status', 'capacity', 'storage') ?? stringAt(claim, 'spec', 'resources', 'requests', 'storage');
  const sizeBytes = quantityBytes(size ?? '');
  return {
    namespace: stringAt(claim, 'metadata', 'namespace') ?? '',
    claim: stringAt(claim, 'metadata', 'name') ?? '',
    ...(storageClass !== undefined && { storageClass }),
    volumeMode: stringAt(claim, 'spec', 'volumeMode') === 'Block' ? 'Block' : 'Filesystem',
    accessModes: Array.isArray(modes) ? modes.filter(mode => typeof mode === 'string') : [],
    ...(sizeBytes !== undefined && { sizeBytes }),
  };
}

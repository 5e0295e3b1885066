import type { ClusterApi } from '../../cluster/cluster-api.ts';
import type { ClaimPlace } from '../../domain/claim-request.ts';
import { type ClaimRequest, checkRequest } from '../../domain/claim-request.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { at, type JsonObject } from '../../domain/json.ts';
import { kindName } from '../../domain/resource.ts';
import type { RestoreOptions } from '../../domain/restore-plan.ts';
import type { Progress, Runtime } from '../../domain/runtime.ts';
import { everything } from '../../domain/selection.ts';
import { claimName, type VolumeRecord } from '../../domain/volume.ts';
import { planVolume, type VolumeOutcome } from '../../domain/volume-restore.ts';
import { checkVolumeSizes } from '../../domain/volume-sizes.ts';
import type { SetReader } from '../../repository/set-reader.ts';
import { claims } from '../../volumes/kinds.ts';
import { createObjects } from '../../volumes/objects.ts';
import { claimOnTarget, modeOf, type VolumeClaim } from './claim.ts';
import { type FillContext, type FillTask, fillVolume, takeUp } from './fill.ts';
import { createFixedVolumes } from './fixed-volumes.ts';
import { confirmVolume } from './handover.ts';
import { restoreInPlace } from './in-place.ts';
import { readFilledVolumes, readStorageClasses, snapshotState } from './survey.ts';
import type { VolumeTools } from './tools.ts';
import { outcomeOf } from './volumes.ts';
import { discardOthers, foreignWaits, waitingFor } from './waiting.ts';

export interface ClaimRestoreInput {
  readonly reader: SetReader;
  readonly cluster: ClusterApi;
  readonly tools: VolumeTools;
  readonly request: ClaimRequest;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** What a set says of a claim. VOLUME_DATA_MISSING where it says nothing. */
export function recordOf(reader: Pick<SetReader, 'manifest'>, { namespace, claim }: ClaimPlace): VolumeRecord {
  const found = reader.manifest.volumes.find(one => one.namespace === namespace && one.claim === claim);
  if (found !== undefined) return found;
  throw new HoldfastError('VOLUME_DATA_MISSING', `${reader.manifest.id} says nothing of ${claimName({ namespace, claim })}`, {
    hint: 'holdfast volumes ls names the claims of a set',
  });
}

/** Brings one claim back: into a new claim, or in place. Throws what keeps it from that; run again, it goes on. */
export async function restoreClaim(input: ClaimRestoreInput): Promise<VolumeOutcome> {
  const { reader, cluster, request, runtime, signal, tools, progress } = input;
  checkRequest(request);
  const record = recordOf(reader, request.from);
  if (request.size !== undefined) checkVolumeSizes([record], { [`${record.namespace}/${record.claim}`]: request.size });
  const place = request.to ?? request.from;
  const objects = createObjects(cluster, runtime);
  const there = await objects.read(claims, place.namespace, place.claim, signal);
  const set = reader.manifest.id;
  if (request.inPlace) {
    if (there === undefined) {
      throw new HoldfastError('CLUSTER_NOT_FOUND', `there is no ${claimName(place)} to write into`, {
        hint: 'leave --in-place away to make it',
      });
    }
    const { include, deleteOthers, scaleDown } = request;
    const task = { set, record, place, claim: there, include, deleteOthers, scaleDown };
    const filled = await restoreInPlace(task, { objects, tools, signal, progress });
    return { ...place, ...filled, state: 'filled', reason: '' };
  }
  return intoNew(input, record, place, there);
}

async function intoNew(
  input: ClaimRestoreInput,
  record: VolumeRecord,
  place: ClaimPlace,
  there: JsonObject | undefined,
): Promise<VolumeOutcome> {
  const { reader, cluster, tools, request, runtime, signal, progress } = input;
  const set = reader.manifest.id;
  const context: FillContext = { cluster, set, tools, runtime, signal, progress, onWrite: () => {} };
  const { claim, object } = await readClaim(input, record, place);
  const filledVolumes = await readFilledVolumes(cluster, tools.installation, signal);
  const waiting = waitingFor({ set, claim, include: request.include }, filledVolumes);
  const { own, foreign } = waiting;
  if (there !== undefined && own?.handedOver !== true) {
    throw new HoldfastError('CLUSTER_CONFLICT', `${claimName(place)} is there already`, {
      hint: 'write into it with --in-place, or make another one with --to namespace/claim',
    });
  }
  if (foreign !== undefined) throw foreignWaits(foreign, claimName(place));
  // Nothing is given up for what cannot be done.
  const work = own === undefined ? await planFill(input, record, claim) : own;
  await discardOthers(waiting, context);
  const { volume, filled } = 'plan' in work ? await fillVolume(work, context) : await takeUp(work, claim, context);
  if (there === undefined) await cluster.create(claims, place.namespace, JSON.stringify(object), { fieldManager: 'holdfast', signal });
  await confirmVolume(volume, place, context);
  return { ...place, reason: '', ...outcomeOf(filled, volume) };
}

/** What is to be done to fill its volume; throws where it cannot be filled. */
async function planFill(
  { cluster, tools, reader, request, signal }: ClaimRestoreInput,
  record: VolumeRecord,
  claim: VolumeClaim,
): Promise<FillTask> {
  const { place, spec, sizeBytes } = claim;
  const { namespace } = tools.settings;
  const { include } = request;
  const storage = (await readStorageClasses(cluster, signal)).of(spec);
  const snapshot =
    include.length === 0 ? await snapshotState(record, { cluster, namespace, signal }) : 'single files come from the repository';
  const fixed = await createFixedVolumes({ cluster, signal, set: reader.manifest.id, namespace }).of(claim, storage);
  const own = { ...(fixed !== undefined && { fixed }), ...(sizeBytes !== undefined && { sizeBytes }) };
  const plan = planVolume({ ...place, record, storage, snapshot, volumeMode: modeOf(spec), exists: false, wanted: 'data', ...own });
  if (plan.action !== 'fill') throw new HoldfastError(plan.code ?? 'VOLUME_DATA_MISSING', `${claimName(record)}: ${plan.reason}`);
  return { claim, plan, storage, snapshot, include };
}

/** The claim as it is in the set, under its new name. */
async function readClaim(
  { reader, request, runtime, signal }: ClaimRestoreInput,
  record: VolumeRecord,
  place: ClaimPlace,
): Promise<{ readonly claim: VolumeClaim; readonly object: JsonObject }> {
  const { from, storageClasses, size } = request;
  const volumeSizes = size === undefined ? {} : { [`${from.namespace}/${from.claim}`]: size };
  const namespaceMapping = { [from.namespace]: place.namespace };
  const options: RestoreOptions = { selection: everything, namespaceMapping, existing: 'skip', storageClasses, volumeSizes };
  let found: VolumeClaim | undefined;
  await reader.read(
    entry => kindName(entry) === kindName(claims) && entry.namespace === from.namespace && entry.name === from.claim,
    (_entry, json) => {
      found = claimOnTarget(json, record, options, runtime.now());
    },
    { signal },
  );
  if (found === undefined) throw new HoldfastError('VOLUME_DATA_MISSING', `${claimName(from)} itself is not in ${reader.manifest.id}`);
  const { volumeName: _, ...spec } = found.spec;
  const labels = at(found.object, 'metadata', 'labels');
  const metadata = { name: place.claim, namespace: place.namespace, ...(labels !== undefined && { labels }) };
  return { claim: { ...found, place, spec }, object: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec } };
}

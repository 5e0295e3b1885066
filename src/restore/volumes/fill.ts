import type { ClusterApi } from '../../cluster/cluster-api.ts';
import type { ClaimPlace } from '../../domain/claim-request.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { at, isObject, type JsonObject, parseJson, stringAt } from '../../domain/json.ts';
import type { MoverRequest } from '../../domain/mover.ts';
import type { Progress } from '../../domain/runtime.ts';
import type { PlannedVolume, SnapshotState, TargetClass } from '../../domain/volume-restore.ts';
import { claims as claimKind, events as eventKind } from '../../volumes/kinds.ts';
import { volumeDevice, volumeMount } from '../../volumes/ports.ts';
import { readTaken } from '../../volumes/reclaim.ts';
import { waitUntil } from '../patience.ts';
import { modeOf, type VolumeClaim } from './claim.ts';
import { boundVolume, type Filled, type FilledVolume, readFilled, readVolume, reserveVolume, secureVolume } from './handover.ts';
import { listObjects } from './survey.ts';
import { isMadeFor, partsOf, temporaryClaim, temporaryClaimFor, temporaryName } from './temporary-claim.ts';
import { deleteTemporary, handoverMs, makeTemporary, removeTemporary, type TemporaryContext, untilGone } from './temporary-life.ts';
import type { VolumeTools } from './tools.ts';

export interface FillContext extends TemporaryContext {
  readonly progress: Progress;
}

export interface FillTask {
  readonly claim: VolumeClaim;
  readonly plan: Pick<PlannedVolume, 'source' | 'volume'>;
  readonly storage: TargetClass | string;
  readonly snapshot: SnapshotState;
  /** Only these files and folders; everything when empty. */
  readonly include?: readonly string[];
}

/**
 * Fills a volume and reserves it for its claim. Every step looks whether an earlier life has taken it: killed anywhere and run again, it goes on
 * there, and data that was moved whole is not moved twice.
 */
export async function fillVolume(task: FillTask, context: FillContext): Promise<{ readonly volume: string; readonly filled: Filled }> {
  const { claim, plan } = task;
  const { tools, set } = context;
  const { namespace } = tools.settings;
  const temporary = { namespace, claim: temporaryName(set, claim.place) };
  const startedAt = context.runtime.now().getTime();
  const snapshot = plan.source === 'snapshot' && typeof task.snapshot !== 'string' ? task.snapshot : undefined;
  const object = await wantedTemporary(task, snapshot, context);
  try {
    await makeTemporary({ object, temporary, place: claim.place, fixed: plan.volume }, context);
    const mover = { ...task, temporary: temporary.claim };
    const moved = snapshot === undefined ? await moveIn(mover, context) : await firstConsumer(mover, context);
    const volume = await untilBound(temporary, context);
    const { bytes = 0, files = 0, occupied } = moved;
    const durationMs = context.runtime.now().getTime() - startedAt;
    const source = snapshot === undefined ? 'repository' : 'snapshot';
    const part = partsOf(task.include);
    const filled: Filled = {
      ...{ source, bytes, files, durationMs },
      ...(occupied !== undefined && { occupied }),
      ...(part.length > 0 && { include: part }),
    };
    await secureVolume(volume, set, claim.place, filled, context);
    await handOver(volume, claim, context);
    return { volume, filled };
  } catch (thrown) {
    // What was interrupted is taken up again; what failed is not worth keeping, and its volume goes with it.
    if (!context.signal.aborted) await discardTemporary(object, temporary, plan.volume, context).catch(() => {});
    throw thrown;
  }
}

/** A volume that an earlier life of the same restore has filled, and may not have handed over. */
export async function takeUp(earlier: FilledVolume, claim: VolumeClaim, context: FillContext) {
  const { name, filled, handedOver, phase } = earlier;
  if (!handedOver || phase !== 'Bound') await handOver(name, claim, context);
  return { volume: name, filled };
}

/** From a volume that is full to one that only its claim can have. */
async function handOver(volume: string, { place }: Pick<VolumeClaim, 'place'>, context: FillContext): Promise<void> {
  const temporary = { namespace: context.tools.settings.namespace, claim: temporaryName(context.set, place) };
  const waiting = { runtime: context.runtime, signal: context.signal, waitMs: handoverMs };
  await deleteTemporary(temporary, context);
  await untilGone(temporary, context);
  await reserveVolume(volume, place, context);
  const available = await waitUntil(async () => {
    const seen = await readVolume(volume, context);
    const phase = stringAt(seen, 'status', 'phase');
    // Bound may be said of the temporary claim still; with a UID in the reference it is said of the new one.
    return phase === 'Available' || (phase === 'Bound' && at(seen, 'spec', 'claimRef', 'uid') !== undefined);
  }, waiting);
  if (!available)
    throw new HoldfastError('TIMEOUT', `the volume ${volume} does not become available: does the kube-controller-manager run?`);
}

async function wantedTemporary(
  { claim, plan, include }: FillTask,
  snapshot: Exclude<SnapshotState, string> | undefined,
  context: FillContext,
): Promise<JsonObject> {
  const { set, tools } = context;
  const where = { set, namespace: tools.settings.namespace, installation: tools.installation, include };
  return plan.volume === undefined
    ? temporaryClaim(claim, where, snapshot)
    : temporaryClaimFor(claim, where, await readVolume(plan.volume, context));
}

type MoverClaim = FillTask & { readonly temporary: string };

async function moveIn({ claim, plan, temporary, include }: MoverClaim, context: FillContext) {
  const { tools, set, signal } = context;
  const { record, spec } = claim;
  if (record.data === undefined) throw new HoldfastError('VOLUME_GONE', 'its data is not in the repository');
  const { repository: key, snapshot } = record.data;
  const repository = await tools.repositories.open(key, { identities: tools.identities, signal });
  return tools.movers.run(
    {
      ...{ work: set, role: 'restore', subject: claim.place, namespace: tools.settings.namespace, repository },
      claim: { name: temporary, mode: modeOf(spec), readOnly: false },
      request: access => {
        const whole = { access, snapshot, tools, mode: modeOf(spec), include: include ?? [], deleteOthers: false };
        return restoreRequest({ ...whole, onlyEmpty: plan.volume !== undefined });
      },
    },
    { signal, progress: context.progress },
  );
}

export function restoreRequest(options: {
  readonly access: { readonly url: string; readonly options: readonly string[] };
  readonly snapshot: string;
  readonly tools: Pick<VolumeTools, 'settings'>;
  readonly mode: 'Filesystem' | 'Block';
  readonly include: readonly string[];
  readonly deleteOthers: boolean;
  readonly onlyEmpty?: boolean;
}): MoverRequest {
  const { access, snapshot, tools, mode, include, deleteOthers, onlyEmpty = false } = options;
  return {
    ...{ action: 'restore', mode, snapshot, include, deleteOthers, repository: access.url, options: access.options },
    ...(onlyEmpty && { onlyEmpty }),
    ...{ path: mode === 'Block' ? volumeDevice : volumeMount, tuning: tools.settings.tuning },
  };
}

/** A volume of a class that waits for a pod is only made when one comes. */
async function firstConsumer({ claim, storage, temporary }: MoverClaim, context: FillContext): Promise<Partial<Filled>> {
  const { tools, set, signal, progress } = context;
  if (typeof storage === 'string' || !storage.waitsForConsumer) return {};
  const place = { work: set, role: 'restore', subject: claim.place, namespace: tools.settings.namespace } as const;
  const mount = { name: temporary, mode: modeOf(claim.spec), readOnly: false };
  await tools.movers.run({ ...place, claim: mount, request: () => ({ action: 'bind' }) }, { signal, progress });
  return {};
}

async function untilBound(place: ClaimPlace, context: FillContext): Promise<string> {
  const { cluster, signal, runtime, tools } = context;
  let volume: string | undefined;
  const bound = await waitUntil(
    async () => {
      const text = await cluster.get(claimKind, place.namespace, place.claim, { signal });
      if (text === undefined) throw new HoldfastError('VOLUME_GONE', `the temporary claim ${place.namespace}/${place.claim} was deleted`);
      const object = parseJson(text);
      if (at(object, 'status', 'phase') === 'Lost') throw new HoldfastError('VOLUME_GONE', 'the volume of the temporary claim was deleted');
      volume = at(object, 'status', 'phase') === 'Bound' ? stringAt(object, 'spec', 'volumeName') : undefined;
      return volume !== undefined;
    },
    { runtime, signal, waitMs: tools.settings.snapshotTimeoutMs },
  );
  if (bound && volume !== undefined) return volume;
  const why = (await lastWarning(cluster, place, signal)) ?? 'nothing is said about why';
  throw new HoldfastError('TIMEOUT', `no volume was made within ${tools.settings.snapshotTimeoutMs / 1000} s: ${why}`);
}

/** The newest warning about a claim, in its controllers' own words. */
export async function lastWarning(
  cluster: ClusterApi,
  { namespace, claim }: { readonly namespace: string; readonly claim: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  const events = await listObjects(cluster, eventKind, { namespace, signal });
  const of = events.filter(event => stringAt(event, 'involvedObject', 'name') === claim && stringAt(event, 'type') === 'Warning');
  const [newest] = of.sort((a, b) => (timeOf(a) < timeOf(b) ? 1 : -1));
  return newest === undefined ? undefined : stringAt(newest, 'message');
}

function timeOf(event: Parameters<typeof stringAt>[0]): string {
  return stringAt(event, 'lastTimestamp') ?? stringAt(event, 'eventTime') ?? '';
}

/** Unless its volume is full already, and only its handover failed, or it is that of other work. */
async function discardTemporary(object: JsonObject, place: ClaimPlace, fixed: string | undefined, context: FillContext): Promise<void> {
  const text = await context.cluster.get(claimKind, place.namespace, place.claim, { signal: context.signal });
  const found = text === undefined ? undefined : parseJson(text);
  if (isObject(found) && !isMadeFor(found, object)) return;
  const name = fixed ?? (await boundVolume(place, context));
  const volume = name === undefined ? undefined : await readVolume(name, context);
  if (volume !== undefined && readFilled(volume) !== undefined) return;
  const ours = fixed === undefined || readTaken(volume) !== undefined;
  await removeTemporary(place, ours ? volume : undefined, context);
}

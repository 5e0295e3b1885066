import { HoldfastError } from '../../domain/errors.ts';
import { at, type JsonObject, stringAt } from '../../domain/json.ts';
import type { MoverRequest } from '../../domain/mover.ts';
import type { Progress } from '../../domain/runtime.ts';
import type { VolumeDataRecord } from '../../domain/volume.ts';
import { cleanUp } from '../../volumes/clean-up.ts';
import { claims, volumes } from '../../volumes/kinds.ts';
import { claimAnnotations, claimDigest, type Subject, workLabels } from '../../volumes/labels.ts';
import { isOurMover, untilMoversGone } from '../../volumes/mover-users.ts';
import type { Objects } from '../../volumes/objects.ts';
import { type MoverTask, volumeDevice, volumeMount } from '../../volumes/ports.ts';
import { type CaptureContext, freshName } from './context.ts';
import type { HandedOver } from './handover.ts';
import type { WantedClaim } from './select.ts';

export interface MoveContext extends CaptureContext {
  /** All StorageClasses of the cluster. */
  readonly storageClasses: readonly JsonObject[];
  /** Pods that use a claim now, by `namespace/claim`. */
  readonly podsByClaim: ReadonlyMap<string, readonly JsonObject[]>;
  readonly progress: Progress;
}

/** Moves the data of a snapshot: a claim for a while, made of it, and a mover that reads it. */
export async function moveSnapshot(context: MoveContext, claim: WantedClaim, snapshot: HandedOver): Promise<VolumeDataRecord> {
  const { objects, settings, signal } = context;
  const subject: Subject = claim.facts;
  const name = freshName(context, claimDigest(subject));
  const temporary = temporaryClaim(context, claim, snapshot, name);
  try {
    await objects.create(claims, temporary, signal);
    return await runMover(context, claim, {
      source: 'snapshot',
      time: snapshot.facts.takenAt,
      place: { namespace: settings.namespace, claim: { name, mode: claim.mode, readOnly: true } },
    });
  } finally {
    await cleanUp(context, `persistentvolumeclaims ${settings.namespace}/${name}`, bound =>
      removeTemporaryClaim(objects, settings.namespace, name, bound),
    );
  }
}

/** Why the claim cannot be read while it is in use; undefined where it can, be it once a mover of ours has let it go. */
export function liveRefusal(context: Pick<MoveContext, 'podsByClaim' | 'installation'>, claim: WantedClaim): HoldfastError | undefined {
  if (!isForOnePod(claim)) return undefined;
  const user = placedUsers(context, claim).find(pod => !isOurMover(pod, context.installation));
  if (user === undefined) return undefined;
  const pod = `pods ${claim.facts.namespace}/${stringAt(user, 'metadata', 'name')}`;
  return new HoldfastError('VOLUME_UNSUPPORTED', `it is ReadWriteOncePod and in use by ${pod}: nobody else can read it`);
}

function isForOnePod({ accessModes }: WantedClaim): boolean {
  return accessModes.includes('ReadWriteOncePod');
}

function placedUsers({ podsByClaim }: Pick<MoveContext, 'podsByClaim'>, { facts }: WantedClaim): readonly JsonObject[] {
  const users = podsByClaim.get(`${facts.namespace}/${facts.claim}`) ?? [];
  return users.filter(pod => stringAt(pod, 'spec', 'nodeName') !== undefined);
}

/** Reads the claim itself while it is in use. VOLUME_UNSUPPORTED where only the pod that uses it may, VOLUME_IN_USE where that is a mover of other work. */
export async function moveLive(context: MoveContext, claim: WantedClaim): Promise<VolumeDataRecord> {
  const { namespace, claim: name } = claim.facts;
  const refusal = liveRefusal(context, claim);
  if (refusal !== undefined) throw refusal;
  if (isForOnePod(claim)) await untilMoversGone(claim.facts, undefined, context);
  const anywhere = claim.accessModes.some(mode => ['ReadWriteMany', 'ReadOnlyMany', 'ReadWriteOncePod'].includes(mode));
  const node = anywhere ? undefined : stringAt(placedUsers(context, claim)[0], 'spec', 'nodeName');
  return await runMover(context, claim, {
    source: 'live',
    time: context.runtime.now().toISOString(),
    place: { namespace, claim: { name, mode: claim.mode, readOnly: true }, ...(node !== undefined && { node }) },
  });
}

interface Source {
  readonly source: VolumeDataRecord['source'];
  readonly time: string;
  readonly place: Pick<MoverTask, 'namespace' | 'claim' | 'node'>;
}

async function runMover(context: MoveContext, claim: WantedClaim, { source, time, place }: Source): Promise<VolumeDataRecord> {
  const { movers, repositories, settings, signal, work, progress } = context;
  const { namespace, claim: name } = claim.facts;
  const subject = { namespace, claim: name };
  const repository = await repositories.forBackup(subject, signal);
  const path = claim.mode === 'Block' ? volumeDevice : volumeMount;
  const request = (access: { readonly url: string; readonly options: readonly string[] }): MoverRequest => ({
    ...{ action: 'backup', repository: access.url, options: access.options, tuning: settings.tuning, mode: claim.mode, path, time },
    ...{ host: `${namespace}.${name}`, tags: ['holdfast', work], ...(source === 'live' && { live: true }) },
  });
  const result = await movers.run({ work, role: 'backup', subject, repository, request, ...place }, { signal, progress });
  const { snapshot, files = 0, bytes = 0, addedBytes = 0, durationMs } = result;
  if (snapshot === undefined) throw new HoldfastError('MOVER_FAILED', 'the mover ended well and named no restic snapshot');
  return { repository: repository.key, snapshot, source, files, bytes, addedBytes, durationMs };
}

function temporaryClaim(context: MoveContext, claim: WantedClaim, { name: snapshot, facts }: HandedOver, name: string): object {
  const { namespace, claim: of } = claim.facts;
  const subject = { namespace, claim: of };
  const storageClassName = classFor(context.storageClasses, claim.facts.storageClass, facts.driver);
  const bytes = Math.max(facts.restoreSizeBytes, claim.facts.sizeBytes ?? 0);
  return {
    metadata: {
      ...{ name, namespace: context.settings.namespace },
      labels: workLabels(context.work, 'mover', subject, context.installation),
      annotations: claimAnnotations(subject),
    },
    spec: {
      accessModes: [claim.accessModes.find(mode => mode === 'ReadWriteOnce' || mode === 'ReadWriteMany') ?? 'ReadWriteOnce'],
      ...{ storageClassName, volumeMode: claim.mode, resources: { requests: { storage: String(bytes) } } },
      dataSource: { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: snapshot },
    },
  };
}

/** The claim's own class, or another one of the driver where that is gone or the claim has none. */
function classFor(classes: readonly JsonObject[], own: string | undefined, driver: string): string {
  const names = classes.filter(one => stringAt(one, 'provisioner') === driver).map(one => stringAt(one, 'metadata', 'name') ?? '');
  const name = names.find(one => one === own) ?? names[0];
  if (name !== undefined) return name;
  throw new HoldfastError('VOLUME_UNSUPPORTED', `there is no StorageClass of driver ${driver}: no volume can be made of the snapshot`);
}

/** With its volume, also where the storage class would keep that. */
export async function removeTemporaryClaim(objects: Objects, namespace: string, name: string, signal: AbortSignal): Promise<void> {
  const claim = await objects.read(claims, namespace, name, signal);
  if (claim === undefined) return;
  const volume = stringAt(claim, 'spec', 'volumeName');
  const uid = stringAt(claim, 'metadata', 'uid');
  if (volume !== undefined) {
    const there = await objects.read(volumes, '', volume, signal);
    const ours = at(there, 'spec', 'claimRef', 'uid') === uid;
    if (ours && at(there, 'spec', 'persistentVolumeReclaimPolicy') !== 'Delete') {
      await objects.merge(volumes, '', volume, { spec: { persistentVolumeReclaimPolicy: 'Delete' } }, signal);
    }
  }
  await objects.remove(claims, namespace, name, signal);
}

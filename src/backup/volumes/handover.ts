import { HoldfastError } from '../../domain/errors.ts';
import { stringAt } from '../../domain/json.ts';
import { cleanUp } from '../../volumes/clean-up.ts';
import { snapshotContents, volumeSnapshots } from '../../volumes/kinds.ts';
import { claimAnnotations, claimDigest, type Subject, workLabels } from '../../volumes/labels.ts';
import { type CaptureContext, freshName } from './context.ts';
import { readSnapshot, type SnapshotFacts, type SnapshotName, untilSnapshot } from './snapshots.ts';

/** On a VolumeSnapshot that was handed over whole: it is meant to stay. */
export const keptLabel = 'holdfast.dev/kept';
/** On a VolumeSnapshotContent: when its snapshot was discarded. */
const discardedAnnotation = 'holdfast.dev/discarded';

export interface HandedOver extends SnapshotName {
  readonly facts: SnapshotFacts;
}

/**
 * Brings a snapshot from the claim's namespace into the service's: a second pair of objects for the same handle, and the first pair removed
 * without the storage noticing. At every moment the handle has an object of ours, and until `keep` the second pair deletes nothing when it goes.
 */
export async function handOver(context: CaptureContext, from: SnapshotName, subject: Subject): Promise<HandedOver> {
  const { objects, settings, signal } = context;
  const facts = await readSnapshot(context, from);
  const handed = { namespace: settings.namespace, name: freshName(context, claimDigest(subject), 'kept-'), facts };
  try {
    await makeTwin(context, handed, subject);
    // Labelled, so that it is found where it is left without its snapshot.
    const retained = {
      metadata: { labels: workLabels(context.work, 'snapshot', subject, context.installation) },
      spec: { deletionPolicy: 'Retain' },
    };
    if ((await objects.merge(snapshotContents, '', facts.content, retained, signal)) === undefined) {
      throw new HoldfastError('SNAPSHOT_FAILED', `volumesnapshotcontents ${facts.content} was deleted by somebody`);
    }
    await objects.remove(volumeSnapshots, from.namespace, from.name, signal);
    await objects.remove(snapshotContents, '', facts.content, signal);
    await objects.merge(snapshotContents, '', handed.name, { spec: { deletionPolicy: 'Delete' } }, signal);
    return handed;
  } catch (thrown) {
    await discardSnapshot(context, handed);
    await cleanUp(context, `volumesnapshotcontents ${handed.name}`, bound => objects.remove(snapshotContents, '', handed.name, bound));
    throw thrown;
  }
}

async function makeTwin(context: CaptureContext, { namespace, name, facts }: HandedOver, subject: Subject): Promise<void> {
  const { objects, signal, work, installation } = context;
  const [labels, annotations] = [workLabels(work, 'snapshot', subject, installation), claimAnnotations(subject)];
  const content = {
    metadata: { name, labels, annotations },
    spec: {
      ...{ driver: facts.driver, deletionPolicy: 'Retain', source: { snapshotHandle: facts.handle } },
      ...(facts.volumeMode !== undefined && { sourceVolumeMode: facts.volumeMode }),
      volumeSnapshotClassName: facts.class,
      volumeSnapshotRef: { namespace, name },
    },
  };
  await objects.create(snapshotContents, content, signal);
  const snapshot = {
    metadata: { name, namespace, labels, annotations },
    spec: { source: { volumeSnapshotContentName: name }, volumeSnapshotClassName: facts.class },
  };
  await objects.create(volumeSnapshots, snapshot, signal);
  await untilSnapshot(context, { namespace, name }, 'ready', subject);
}

/** Marks it as one that stays. */
export async function keepSnapshot({ objects, signal }: CaptureContext, { namespace, name }: SnapshotName): Promise<void> {
  const kept = await objects.merge(volumeSnapshots, namespace, name, { metadata: { labels: { [keptLabel]: 'true' } } }, signal);
  if (kept === undefined) throw new HoldfastError('SNAPSHOT_FAILED', `volumesnapshots ${namespace}/${name} was deleted by somebody`);
}

/** Deletes a snapshot and what the storage has of it, in whatever state its objects are. */
export async function discardSnapshot(
  context: Pick<CaptureContext, 'objects' | 'onWarning' | 'runtime'>,
  snapshot: SnapshotName,
): Promise<void> {
  const { objects, runtime } = context;
  await cleanUp(context, `volumesnapshots ${snapshot.namespace}/${snapshot.name}`, async signal => {
    const object = await objects.read(volumeSnapshots, snapshot.namespace, snapshot.name, signal);
    if (object === undefined) return;
    const content =
      stringAt(object, 'status', 'boundVolumeSnapshotContentName') ?? stringAt(object, 'spec', 'source', 'volumeSnapshotContentName');
    if (content !== undefined) await objects.merge(snapshotContents, '', content, { spec: { deletionPolicy: 'Delete' } }, signal);
    await objects.remove(volumeSnapshots, snapshot.namespace, snapshot.name, signal);
    // A snapshot that was being made while its driver went away is looked at again only when something changes.
    const touched = { metadata: { annotations: { [discardedAnnotation]: runtime.now().toISOString() } } };
    if (content !== undefined) await objects.merge(snapshotContents, '', content, touched, signal);
  });
}

import { HoldfastError } from '../../domain/errors.ts';
import { at, type JsonObject, stringAt } from '../../domain/json.ts';
import { claims, snapshotContents, volumeSnapshots } from '../../volumes/kinds.ts';
import { claimAnnotations, claimDigest, type Subject, workLabels } from '../../volumes/labels.ts';
import { type CaptureContext, freshName } from './context.ts';

export interface SnapshotName {
  readonly namespace: string;
  readonly name: string;
}

const defaultErrorMs = 20_000;

/** Asks for a snapshot of a claim, in the claim's namespace. */
export async function createSnapshot(context: CaptureContext, subject: Subject, snapshotClass: string): Promise<SnapshotName> {
  const name = freshName(context, claimDigest(subject));
  const { namespace, claim } = subject;
  const labels = workLabels(context.work, 'snapshot', subject, context.installation);
  const object = {
    metadata: { name, namespace, labels, annotations: claimAnnotations(subject) },
    spec: { volumeSnapshotClassName: snapshotClass, source: { persistentVolumeClaimName: claim } },
  };
  await context.objects.create(volumeSnapshots, object, context.signal);
  return { namespace, name };
}

/**
 * Waits until the storage has made the snapshot (`taken`: from then on the claim may be written again) or it can be used (`ready`). Drivers try
 * again by themselves, so an error counts when it has stood for a while. SNAPSHOT_FAILED in the driver's words, SNAPSHOT_TIMEOUT in those of
 * what was seen last, VOLUME_GONE when the claim is not there any more.
 */
export async function untilSnapshot(
  context: CaptureContext,
  snapshot: SnapshotName,
  state: 'taken' | 'ready',
  subject: Subject,
): Promise<void> {
  const { objects, settings, monotonic, signal } = context;
  const errorMs = context.errorMs ?? defaultErrorMs;
  const until = monotonic() + settings.snapshotTimeoutMs;
  let seen: JsonObject | undefined;
  let failedAt: number | undefined;
  for (;;) {
    const left = until - monotonic();
    const patience = failedAt === undefined ? left : Math.min(left, failedAt + errorMs - monotonic());
    const found = await objects.waitFor(
      volumeSnapshots,
      snapshot.namespace,
      snapshot.name,
      object => {
        seen = object;
        if (object === undefined) throw new HoldfastError('SNAPSHOT_FAILED', `${describe(snapshot)} was deleted by somebody`);
        if (reached(object, state)) return 'reached';
        const failed = errorOf(object) !== undefined;
        if (failed && failedAt === undefined) return 'error';
        return !failed && failedAt !== undefined ? 'well' : undefined;
      },
      { timeoutMs: Math.max(0, patience), signal },
    );
    if (found === 'reached') return;
    if (found === 'error') failedAt = monotonic();
    else if (found === 'well') failedAt = undefined;
    else break;
  }
  if ((await objects.read(claims, subject.namespace, subject.claim, signal)) === undefined && state === 'taken') {
    throw new HoldfastError('VOLUME_GONE', 'the claim was deleted before its snapshot was taken');
  }
  const words = errorOf(seen);
  if (failedAt !== undefined && words !== undefined) throw new HoldfastError('SNAPSHOT_FAILED', words);
  throw timeout(settings.snapshotTimeoutMs, seen);
}

function reached(object: JsonObject, state: 'taken' | 'ready'): boolean {
  const bound = stringAt(object, 'status', 'boundVolumeSnapshotContentName') !== undefined;
  const ready = at(object, 'status', 'readyToUse') === true;
  return bound && (ready || (state === 'taken' && stringAt(object, 'status', 'creationTime') !== undefined));
}

function errorOf(object: JsonObject | undefined): string | undefined {
  return stringAt(object, 'status', 'error', 'message');
}

function timeout(ms: number, seen: JsonObject | undefined): HoldfastError {
  const words = errorOf(seen);
  const bound = stringAt(seen, 'status', 'boundVolumeSnapshotContentName');
  const created = stringAt(seen, 'status', 'creationTime');
  const state =
    words ??
    (created !== undefined
      ? 'it was taken, and the storage does not say that it can be used'
      : bound !== undefined
        ? 'the driver has not taken it'
        : 'nobody has taken notice of it: is there a snapshot controller?');
  return new HoldfastError('SNAPSHOT_TIMEOUT', `the snapshot is not ready after ${Math.round(ms / 1000)} s: ${state}`);
}

function describe({ namespace, name }: SnapshotName): string {
  return `volumesnapshots ${namespace}/${name}`;
}

/** What the storage says of a snapshot. */
export interface SnapshotFacts {
  /** VolumeSnapshotContent. */
  readonly content: string;
  readonly driver: string;
  readonly class: string;
  readonly handle: string;
  readonly takenAt: string;
  readonly restoreSizeBytes: number;
  readonly volumeMode: string | undefined;
}

/** SNAPSHOT_FAILED where it is not what a snapshot that is ready looks like. */
export async function readSnapshot({ objects, signal, runtime }: CaptureContext, snapshot: SnapshotName): Promise<SnapshotFacts> {
  const object = await objects.read(volumeSnapshots, snapshot.namespace, snapshot.name, signal);
  const content = stringAt(object, 'status', 'boundVolumeSnapshotContentName') ?? '';
  const bound = content === '' ? undefined : await objects.read(snapshotContents, '', content, signal);
  const handle = stringAt(bound, 'status', 'snapshotHandle');
  if (bound === undefined || handle === undefined) {
    throw new HoldfastError('SNAPSHOT_FAILED', `${describe(snapshot)} has no VolumeSnapshotContent with a handle any more`);
  }
  const size = at(bound, 'status', 'restoreSize');
  // Nanoseconds, beyond what a double holds; a second is fine enough.
  const nanoseconds = at(bound, 'status', 'creationTime');
  const ms = typeof nanoseconds === 'number' ? nanoseconds / 1e6 : runtime.now().getTime();
  return {
    ...{ content, handle },
    driver: stringAt(bound, 'spec', 'driver') ?? '',
    class: stringAt(bound, 'spec', 'volumeSnapshotClassName') ?? '',
    takenAt: stringAt(object, 'status', 'creationTime') ?? new Date(ms).toISOString(),
    restoreSizeBytes: typeof size === 'number' ? size : 0,
    volumeMode: stringAt(bound, 'spec', 'sourceVolumeMode'),
  };
}

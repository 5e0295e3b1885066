import { HoldfastError } from '../domain/errors.ts';
import { stringAt } from '../domain/json.ts';
import { volumeNames } from '../domain/volume.ts';
import { jobs, pods, secrets } from './kinds.ts';
import { jobLabel, repositoryLabel } from './mover-job.ts';
import type { Objects } from './objects.ts';

/** Longer than a pod's grace period. */
const goneMs = 45_000;

export interface MoverStart {
  readonly namespace: string;
  readonly name: string;
  readonly job: object;
  /** Made once the UID of the Job is known, so that it belongs to it. */
  readonly secret: ((jobUid: string) => object) | undefined;
  readonly signal: AbortSignal;
}

/** Makes the Job, then its Secret, then lets it go: at no moment is there a Secret that belongs to nothing. */
export async function startMover(objects: Objects, { namespace, name, job, secret, signal }: MoverStart): Promise<void> {
  const made = await objects.create(jobs, job, signal);
  if (secret !== undefined) await objects.create(secrets, secret(stringAt(made, 'metadata', 'uid') ?? ''), signal);
  const resumed = await objects.merge(jobs, namespace, name, { spec: { suspend: false } }, signal);
  if (resumed === undefined) throw new HoldfastError('MOVER_FAILED', `jobs.batch ${namespace}/${name} was deleted before it began`);
}

/** Deletes the Secret, the Job and its pod, and waits until a pod that runs is gone: only then nobody writes any more. */
export async function removeMover(
  objects: Objects,
  { namespace, name, podEnded }: { readonly namespace: string; readonly name: string; readonly podEnded: boolean },
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([objects.remove(secrets, namespace, name, signal), objects.remove(jobs, namespace, name, signal)]);
  if (!podEnded) await podsGone(objects, { namespace, labelSelector: `${jobLabel}=${name}` }, signal);
}

/**
 * Ends Jobs that an earlier life of the service left at work in a repository. A pod that does not go, its node being out of reach, is given up
 * on if `patient`: restic bears a second writer, though not one that prunes. TIMEOUT.
 */
export async function endLeftovers(
  objects: Objects,
  key: string,
  { patient, installation, signal }: { readonly patient: boolean; readonly installation: string | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const where = { labelSelector: `${volumeNames.repositoryLabel}=${repositoryLabel(key, installation)}` };
  for (const job of await objects.list(jobs, where, signal)) {
    const [namespace, name] = [stringAt(job, 'metadata', 'namespace') ?? '', stringAt(job, 'metadata', 'name') ?? ''];
    await Promise.all([objects.remove(secrets, namespace, name, signal), objects.remove(jobs, namespace, name, signal)]);
  }
  const left = await podsGone(objects, where, signal);
  if (left.length > 0 && !patient) {
    throw new HoldfastError('TIMEOUT', `another mover of ${key} does not end: pods ${left.join(', ')}`);
  }
}

/** The pods that are still there when the time is up. */
async function podsGone(
  objects: Objects,
  where: { readonly namespace?: string; readonly labelSelector: string },
  signal: AbortSignal,
): Promise<readonly string[]> {
  let left: readonly string[] = [];
  await objects.observe(
    pods,
    where,
    found => {
      left = [...found.keys()];
      return left.length === 0 ? true : undefined;
    },
    { timeoutMs: goneMs, signal },
  );
  return left;
}

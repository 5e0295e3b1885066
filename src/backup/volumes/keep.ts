import { stringAt } from '../../domain/json.ts';
import { volumeNames } from '../../domain/volume.ts';
import { isSetId } from '../../repository/layout.ts';
import { volumeSnapshots } from '../../volumes/kinds.ts';
import { claimDigest, isForeign, type Subject } from '../../volumes/labels.ts';
import { workLeaseName } from '../../volumes/work-lease.ts';
import type { CaptureContext } from './context.ts';
import { discardSnapshot, keptLabel } from './handover.ts';

/** A set whose run nobody renews the Lease of for so long will never be there. */
const givenUpMs = 86_400_000;

/**
 * Deletes this installation’s kept snapshots of a claim beyond the newest so many of those that sets name. Of sets that are not there none
 * counts: a run that failed must not push out what a good one has kept. They go by themselves, a day after their run.
 */
export async function keepNewest(context: CaptureContext, subject: Subject, hasSet: (id: string) => Promise<boolean>): Promise<void> {
  const { objects, settings, installation, signal } = context;
  const labelSelector = `${volumeNames.claimLabel}=${claimDigest(subject)},${keptLabel}=true`;
  const kept = await objects.list(volumeSnapshots, { namespace: settings.namespace, labelSelector }, signal);
  const newestFirst = kept
    .filter(object => !isForeign(object, installation))
    .map(object => ({
      name: stringAt(object, 'metadata', 'name') ?? '',
      work: stringAt(object, 'metadata', 'labels', volumeNames.workLabel) ?? '',
      at: Date.parse(stringAt(object, 'status', 'creationTime') ?? stringAt(object, 'metadata', 'creationTimestamp') ?? '') || 0,
    }))
    .sort((a, b) => b.at - a.at);
  let named = 0;
  for (const { name, work, at } of newestFirst) {
    // A label that is the digest of an id says nothing of the set.
    const goes = !isSetId(work) || (await hasSet(work)) ? ++named > settings.keepSnapshots : await isGivenUp(context, work, at);
    if (goes) await discardSnapshot(context, { namespace: settings.namespace, name });
  }
}

async function isGivenUp({ runtime, lease, signal }: CaptureContext, work: string, at: number): Promise<boolean> {
  return runtime.now().getTime() - at > givenUpMs && (await lease(workLeaseName(work)).read({ signal })) === undefined;
}

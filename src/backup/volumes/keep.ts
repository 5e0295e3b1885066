import { stringAt } from '../../domain/json.ts';
import { volumeNames } from '../../domain/volume.ts';
import { volumeSnapshots } from '../../volumes/kinds.ts';
import { claimDigest, isForeign, type Subject } from '../../volumes/labels.ts';
import type { CaptureContext } from './context.ts';
import { discardSnapshot, keptLabel } from './handover.ts';

/** Deletes this installation’s kept snapshots of a claim beyond the newest so many. */
export async function keepNewest(context: CaptureContext, subject: Subject): Promise<void> {
  const { objects, settings, installation, signal } = context;
  const labelSelector = `${volumeNames.claimLabel}=${claimDigest(subject)},${keptLabel}=true`;
  const kept = await objects.list(volumeSnapshots, { namespace: settings.namespace, labelSelector }, signal);
  const newestFirst = kept
    .filter(object => !isForeign(object, installation))
    .map(object => ({
      name: stringAt(object, 'metadata', 'name') ?? '',
      at: Date.parse(stringAt(object, 'status', 'creationTime') ?? '') || 0,
    }))
    .sort((a, b) => b.at - a.at);
  for (const { name } of newestFirst.slice(settings.keepSnapshots)) await discardSnapshot(context, { namespace: settings.namespace, name });
}

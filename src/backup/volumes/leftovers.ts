import { isCode } from '../../domain/errors.ts';
import { at, type JsonObject, stringAt } from '../../domain/json.ts';
import type { ResourceKind } from '../../domain/resource.ts';
import { volumeNames } from '../../domain/volume.ts';
import { cleanUp } from '../../volumes/clean-up.ts';
import { claims, jobs, leases, secrets, snapshotContents, volumeSnapshots } from '../../volumes/kinds.ts';
import { isForeign, labelValue } from '../../volumes/labels.ts';
import type { Where } from '../../volumes/objects.ts';
import { silenceMs, workLeaseName } from '../../volumes/work-lease.ts';
import type { CaptureContext } from './context.ts';
import { discardSnapshot, keptLabel } from './handover.ts';
import { removeTemporaryClaim } from './move.ts';

export interface Leftovers {
  /** Removes what runs that have ended left behind; resolves when that is done. Some of them are known to have ended only after a while. */
  finish(): Promise<void>;
}

interface Found {
  readonly kind: 'claim' | 'snapshot' | 'content' | 'job';
  readonly namespace: string;
  readonly name: string;
  readonly work: string;
  readonly object: JsonObject;
}

/** Looks for objects of other runs, removes at once those whose run is over, and remembers the others for `finish`. */
export async function findLeftovers(context: CaptureContext): Promise<Leftovers> {
  const { monotonic, runtime, signal } = context;
  const works = new Set((await find(context)).map(({ work }) => work));
  const over = new Set<string>();
  const undecided = new Map<string, string>();
  const leaseOf = (work: string) => context.lease(workLeaseName(work)).read({ signal });
  for (const work of works) {
    const lease = await leaseOf(work);
    if (lease === undefined) over.add(work);
    else undecided.set(work, lease.json);
  }
  const since = monotonic();
  await removeAll(context, over);
  return {
    finish: async () => {
      if (undecided.size === 0) return;
      const left = silenceMs - (monotonic() - since);
      if (left > 0) await runtime.sleep(left, signal);
      const silent = new Set<string>();
      for (const [work, lease] of undecided) if ((await leaseOf(work))?.json === lease) silent.add(work);
      await removeAll(context, silent);
      for (const name of [...silent].map(workLeaseName)) {
        await cleanUp(context, `lease ${name}`, bound => context.objects.remove(leases, context.settings.namespace, name, bound));
      }
    },
  };
}

/** What is labelled with a run of this installation that is not this one, and is not meant to stay. */
async function find({ objects, settings, installation, signal, work: own }: CaptureContext): Promise<Found[]> {
  const role = (name: string) => ({ labelSelector: `${volumeNames.workLabel},${volumeNames.roleLabel}=${name}` });
  const list = async (kind: ResourceKind, where: Where) => {
    // A cluster without snapshots has no such kind.
    const listed = await objects.list(kind, where, signal).catch((thrown: unknown) => {
      if (isCode(thrown, 'CLUSTER_NOT_FOUND')) return [];
      throw thrown;
    });
    return listed.map(one => ({ object: one, ...placeOf(one), work: stringAt(one, 'metadata', 'labels', volumeNames.workLabel) ?? '' }));
  };
  // Contents before snapshots: the snapshot of a content that is seen was made later, and is seen then.
  const contents = await list(snapshotContents, role('snapshot'));
  const [jobsFound, claimsFound, snapshots] = await Promise.all([
    list(jobs, role('mover')),
    list(claims, { namespace: settings.namespace, ...role('mover') }),
    list(volumeSnapshots, role('snapshot')),
  ]);
  const owned = new Set(snapshots.map(({ namespace, name }) => `${namespace}/${name}`));
  const ownerOf = (object: JsonObject) => ['namespace', 'name'].map(part => stringAt(object, 'spec', 'volumeSnapshotRef', part)).join('/');
  const found: Found[] = [
    ...jobsFound.map(one => ({ ...one, kind: 'job' as const })),
    ...claimsFound.map(one => ({ ...one, kind: 'claim' as const })),
    ...snapshots
      .filter(({ object }) => at(object, 'metadata', 'labels', keptLabel) === undefined)
      .map(one => ({ ...one, kind: 'snapshot' as const })),
    ...contents.filter(({ object }) => !owned.has(ownerOf(object))).map(one => ({ ...one, kind: 'content' as const })),
  ];
  return found.filter(({ work, object }) => work !== labelValue(own) && !isForeign(object, installation));
}

function placeOf(object: JsonObject): { readonly namespace: string; readonly name: string } {
  return { namespace: stringAt(object, 'metadata', 'namespace') ?? '', name: stringAt(object, 'metadata', 'name') ?? '' };
}

/**
 * Looks anew, for what was left over a moment ago may have become one to keep before its run ended. Jobs first, which use the claims; then claims,
 * which come from snapshots. A handle that has two contents is deleted twice, which storage takes as done.
 */
async function removeAll(context: CaptureContext, works: ReadonlySet<string>): Promise<void> {
  if (works.size === 0) return;
  const { objects } = context;
  const found = (await find(context)).filter(({ work }) => works.has(work));
  const of = (kind: Found['kind']) => found.filter(one => one.kind === kind);
  for (const { namespace, name } of of('job')) {
    await cleanUp(context, `jobs.batch ${namespace}/${name}`, async signal => {
      await Promise.all([objects.remove(secrets, namespace, name, signal), objects.remove(jobs, namespace, name, signal)]);
    });
  }
  for (const { namespace, name } of of('claim')) {
    await cleanUp(context, `persistentvolumeclaims ${namespace}/${name}`, signal => removeTemporaryClaim(objects, namespace, name, signal));
  }
  for (const snapshot of of('snapshot')) await discardSnapshot(context, snapshot);
  for (const { name } of of('content')) {
    await cleanUp(context, `volumesnapshotcontents ${name}`, signal => objects.remove(snapshotContents, '', name, signal));
  }
}

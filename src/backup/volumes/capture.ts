import pLimit from 'p-limit';
import type { ItemProblem } from '../../domain/backup-set.ts';
import { asHoldfastError, HoldfastError, isCode } from '../../domain/errors.ts';
import { at, type JsonObject, stringAt } from '../../domain/json.ts';
import type { ResourceKind } from '../../domain/resource.ts';
import type { Progress } from '../../domain/runtime.ts';
import type { Selection } from '../../domain/selection.ts';
import type { VolumeRecord } from '../../domain/volume.ts';
import { cleanUp } from '../../volumes/clean-up.ts';
import { holdLease } from '../../volumes/held-lease.ts';
import { claims, leases, pods, snapshotClasses, storageClasses, volumes } from '../../volumes/kinds.ts';
import { compileHooks } from '../../volumes/pod-hooks.ts';
import { workLeaseName } from '../../volumes/work-lease.ts';
import { type ClaimContext, captureUnit } from './capture-unit.ts';
import type { CaptureContext, CaptureTools } from './context.ts';
import { discardSnapshot } from './handover.ts';
import { planUnits, podsByClaim } from './hook-plan.ts';
import { keepNewest } from './keep.ts';
import { findLeftovers } from './leftovers.ts';
import { selectClaims, type WantedClaim } from './select.ts';
import { volumeProgress } from './volume-progress.ts';

/** What is wanted of the claims of a set. */
export interface VolumeWish {
  readonly snapshots: boolean;
  readonly data: boolean;
}

export interface VolumeFindings {
  /** One a claim of the set, by namespace and name. */
  readonly records: readonly VolumeRecord[];
  /** What went wrong beside the claims: a pod that could not be thawed. */
  readonly problems: readonly ItemProblem[];
}

export interface CapturedVolumes extends VolumeFindings {
  /**
   * To be called once, when the set is there, or is known never to be (`gone`), or when neither is known: until then others know that the run
   * goes on. Kept snapshots of older sets make room for those of this one, or those of this one go. Never rejects.
   */
  readonly settle: (end: SetEnd) => Promise<void>;
}

/** What became of a set. `hasSet`: is the set of this id there? */
export type SetEnd =
  | { readonly state: 'there'; readonly hasSet: (id: string) => Promise<boolean> }
  | { readonly state: 'gone' }
  | { readonly state: 'unknown' };

/** Captures the volumes of a set while its objects are read. What fails for one claim is in its record; throws where nothing can be known, and when aborted. */
export type CaptureVolumes = (
  set: { readonly id: string; readonly selection: Selection },
  options: { readonly signal: AbortSignal; readonly progress: Progress },
) => Promise<CapturedVolumes>;

export function createVolumeCapture(tools: CaptureTools, wish: VolumeWish): CaptureVolumes {
  return async ({ id, selection }, { signal, progress }) => {
    const { wanted, left } = selectClaims(await tools.objects.list(claims, {}, signal), selection);
    if (wanted.length === 0) return { records: sorted(left), problems: [], settle: async () => {} };
    const name = workLeaseName(id);
    const { runtime, monotonic, settings } = tools;
    const lease = await holdLease({ runtime, monotonic, signal, lease: tools.lease(name), identity: id, waitMs: 0 }).catch(
      namespaceMissing(settings.namespace),
    );
    const context: CaptureContext = { ...tools, work: id, signal: AbortSignal.any([signal, lease.signal]) };
    const release = async () => {
      await lease.stop();
      await cleanUp(tools, `lease ${name}`, bound => tools.objects.remove(leases, settings.namespace, name, bound));
    };
    try {
      const captured = await capture(context, { wish, wanted, progress });
      const settle = async (end: SetEnd) => {
        await settleKept(context, captured.records, end);
        await release();
      };
      return { records: sorted([...left, ...captured.records]), problems: captured.problems, settle };
    } catch (thrown) {
      await release();
      throw thrown;
    }
  };
}

/** What fails is told, and left to the next run. */
async function settleKept(context: CaptureContext, records: readonly VolumeRecord[], end: SetEnd): Promise<void> {
  const atOnce = pLimit(context.settings.parallelSnapshots);
  const kept = records.flatMap(({ snapshot, ...facts }) => (snapshot?.kept === undefined ? [] : [{ ...facts, kept: snapshot.kept }]));
  const settleOne = async ({ kept: own, ...claim }: (typeof kept)[number]) => {
    if (end.state === 'gone') await discardSnapshot(context, own);
    if (end.state !== 'there') return;
    const what = `what is kept of ${claim.namespace}/${claim.claim} beyond ${context.settings.keepSnapshots}`;
    await cleanUp(context, what, signal => keepNewest({ ...context, signal }, claim, end.hasSet));
  };
  await Promise.all(kept.map(one => atOnce(() => settleOne(one))));
}

function sorted(records: readonly VolumeRecord[]): VolumeRecord[] {
  const key = ({ namespace, claim }: VolumeRecord) => `${namespace}/${claim}`;
  return records.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

function namespaceMissing(namespace: string): (thrown: unknown) => never {
  return thrown => {
    if (!isCode(thrown, 'CLUSTER_NOT_FOUND')) throw thrown;
    throw new HoldfastError('CLUSTER_NOT_FOUND', `volumes are captured in namespace ${namespace}, which does not exist`, {
      hint: 'create it, or name another one with volumes.namespace',
      cause: thrown,
    });
  };
}

interface What {
  readonly wish: VolumeWish;
  readonly wanted: readonly WantedClaim[];
  readonly progress: Progress;
}

async function capture(context: CaptureContext, { wish, wanted, progress }: What): Promise<VolumeFindings> {
  const { objects, settings, signal } = context;
  const before = await thawLeft(context);
  const leftovers = await findLeftovers(context);
  const report = volumeProgress(wanted, progress);
  const [drivers, classes, stores, users] = await Promise.all([
    driversOf(context, wanted),
    listServed(context, snapshotClasses),
    objects.list(storageClasses, {}, signal),
    usersOf(context, wanted),
  ]);
  const common: ClaimContext = {
    ...{ ...context, wish, drivers, snapshotClasses: classes, storageClasses: stores, podsByClaim: users },
    ...{ move: pLimit(settings.parallel), progress: report.progress },
  };
  const atOnce = pLimit(settings.parallelSnapshots);
  const units = planUnits(wanted, users, compileHooks(settings));
  const results = await Promise.all(units.map(unit => captureUnit(common, unit, { atOnce, onDone: report.done })));
  signal.throwIfAborted();
  await leftovers.finish().catch((thrown: unknown) => {
    signal.throwIfAborted();
    context.onWarning(`what an earlier run left behind could not be removed: ${asHoldfastError(thrown).message}`);
  });
  return { records: results.flatMap(result => result.records), problems: [...before, ...results.flatMap(result => result.problems)] };
}

/** What an earlier run left frozen, before anything is to be frozen again. */
async function thawLeft({ frozen, work, signal, onWarning }: CaptureContext): Promise<readonly ItemProblem[]> {
  try {
    const { thawed, problems } = await frozen.thawLeft({ own: work, signal });
    for (const text of thawed) onWarning(text);
    return problems;
  } catch (thrown) {
    signal.throwIfAborted();
    onWarning(`whether an earlier run left pods frozen could not be found out: ${asHoldfastError(thrown).message}`);
    return [];
  }
}

/** CSI drivers by volume; none for a volume that has none. Volumes of plug-ins that were in Kubernetes itself say which driver has taken over. */
async function driversOf({ objects, signal }: CaptureContext, wanted: readonly WantedClaim[]): Promise<ReadonlyMap<string, string>> {
  const names = new Set(wanted.map(({ volume }) => volume));
  const drivers = new Map<string, string>();
  for (const volume of await objects.list(volumes, {}, signal)) {
    const name = stringAt(volume, 'metadata', 'name') ?? '';
    const driver = stringAt(volume, 'spec', 'csi', 'driver') ?? stringAt(volume, 'metadata', 'annotations', 'pv.kubernetes.io/migrated-to');
    if (names.has(name) && driver !== undefined) drivers.set(name, driver);
  }
  return drivers;
}

/** Pods that use the claims; of pods only those are kept in memory. */
async function usersOf(
  { objects, signal }: CaptureContext,
  wanted: readonly WantedClaim[],
): Promise<ReadonlyMap<string, readonly JsonObject[]>> {
  const using: JsonObject[] = [];
  for (const namespace of new Set(wanted.map(({ facts }) => facts.namespace))) {
    const found = await objects.list(pods, { namespace }, signal);
    using.push(...found.filter(pod => Array.isArray(at(pod, 'spec', 'volumes'))));
  }
  return podsByClaim(using);
}

/** A cluster without the API has no such objects. */
async function listServed({ objects, signal }: CaptureContext, kind: ResourceKind): Promise<JsonObject[]> {
  try {
    return await objects.list(kind, {}, signal);
  } catch (thrown) {
    if (isCode(thrown, 'CLUSTER_NOT_FOUND')) return [];
    throw thrown;
  }
}

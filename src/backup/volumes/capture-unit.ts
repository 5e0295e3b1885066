import type { LimitFunction } from 'p-limit';
import type { ItemProblem } from '../../domain/backup-set.ts';
import { asHoldfastError, HoldfastError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { VolumeRecord, VolumeSnapshotRecord } from '../../domain/volume.ts';
import type { CapturedVolumes, VolumeWish } from './capture.ts';
import { discardSnapshot, handOver, keepSnapshot } from './handover.ts';
import type { Unit } from './hook-plan.ts';
import { quiesce } from './hooks.ts';
import { keepNewest } from './keep.ts';
import { type MoveContext, moveLive, moveSnapshot } from './move.ts';
import type { WantedClaim } from './select.ts';
import { chooseSnapshotClass } from './snapshot-class.ts';
import { createSnapshot, type SnapshotFacts, type SnapshotName, untilSnapshot } from './snapshots.ts';

export interface ClaimContext extends MoveContext {
  readonly wish: VolumeWish;
  /** CSI driver by volume. */
  readonly drivers: ReadonlyMap<string, string>;
  readonly snapshotClasses: readonly JsonObject[];
  /** Bounds how many volumes are made and read at a time. */
  readonly move: LimitFunction;
}

/** How a claim is to be captured: by a snapshot of this class, or, for this reason, without one. */
type Way = { readonly snapshotClass: string } | { readonly without: HoldfastError; readonly wanted: boolean };

/** What came of the snapshot of one claim. */
type Taken = SnapshotName | HoldfastError;

/** Captures claims that belong to one moment; their pods are quiet only until the storage has taken the snapshots. */
export async function captureUnit(
  context: ClaimContext,
  unit: Unit,
  { atOnce, onDone }: { readonly atOnce: LimitFunction; readonly onDone: (claim: string) => void },
): Promise<CapturedVolumes> {
  const ways = new Map(unit.claims.map(claim => [claim, wayOf(context, claim)]));
  const problems: ItemProblem[] = [];
  const passedOver: string[] = [];
  const taken = await atOnce(() => takeAll(context, unit, ways, { problems, passedOver }));
  const records = await Promise.all(
    unit.claims.map(async claim => {
      const record = admitting(await finish(context, claim, ways.get(claim), taken.get(claim)), passedOver);
      onDone(`${claim.facts.namespace}/${claim.facts.claim}`);
      return record;
    }),
  );
  return { records, problems };
}

/** A snapshot that was taken although a hook failed says so. */
function admitting(record: VolumeRecord, passedOver: readonly string[]): VolumeRecord {
  if (record.snapshot === undefined || passedOver.length === 0) return record;
  const taken = `taken although a hook failed: ${passedOver.join('; ')}`;
  return { ...record, reason: record.reason === '' ? taken : `${record.reason}; ${taken}` };
}

function wayOf({ drivers, settings, snapshotClasses }: ClaimContext, claim: WantedClaim): Way {
  const without = (error: HoldfastError, wanted = false): Way => ({ without: error, wanted });
  if (claim.method === 'live') return without(new HoldfastError('VOLUME_UNSUPPORTED', 'its annotation asks for it'), true);
  const driver = drivers.get(claim.volume);
  if (driver === undefined) return without(new HoldfastError('VOLUME_UNSUPPORTED', `its volume ${claim.volume} is of no CSI driver`));
  try {
    const configured = settings.snapshotClasses;
    return { snapshotClass: chooseSnapshotClass({ driver, wanted: claim.snapshotClass, configured, classes: snapshotClasses }) };
  } catch (thrown) {
    return without(asHoldfastError(thrown));
  }
}

/** All snapshots of a unit at once, between its hooks. A claim without an entry is captured without one. */
async function takeAll(
  context: ClaimContext,
  { claims, hooks }: Unit,
  ways: ReadonlyMap<WantedClaim, Way | undefined>,
  { problems, passedOver }: { readonly problems: ItemProblem[]; readonly passedOver: string[] },
): Promise<ReadonlyMap<WantedClaim, Taken>> {
  const taken = new Map<WantedClaim, Taken>();
  const snapped = claims.flatMap(claim => {
    const way = ways.get(claim);
    return way !== undefined && 'snapshotClass' in way ? [{ claim, snapshotClass: way.snapshotClass }] : [];
  });
  if (snapped.length === 0 || context.signal.aborted) return taken;
  try {
    const quiet = await quiesce(hooks, context);
    passedOver.push(...quiet.passedOver);
    try {
      await Promise.all(snapped.map(async ({ claim, snapshotClass }) => taken.set(claim, await take(context, claim, snapshotClass))));
    } finally {
      problems.push(...(await quiet.thaw()));
    }
  } catch (thrown) {
    for (const { claim } of snapped) taken.set(claim, asHoldfastError(thrown));
  }
  return taken;
}

async function take(context: ClaimContext, claim: WantedClaim, snapshotClass: string): Promise<Taken> {
  let snapshot: SnapshotName | undefined;
  try {
    snapshot = await createSnapshot(context, claim.facts, snapshotClass);
    await untilSnapshot(context, snapshot, 'taken', claim.facts);
    return snapshot;
  } catch (thrown) {
    if (snapshot !== undefined) await discardSnapshot(context, snapshot);
    return asHoldfastError(thrown);
  }
}

async function finish(context: ClaimContext, claim: WantedClaim, way: Way | undefined, taken: Taken | undefined): Promise<VolumeRecord> {
  try {
    context.signal.throwIfAborted();
    if (taken instanceof HoldfastError) throw taken;
    if (taken !== undefined) return await fromSnapshot(context, claim, taken);
    if (way === undefined || 'snapshotClass' in way) throw new HoldfastError('INTERNAL', 'a claim was left without a way to capture it');
    return await fromClaim(context, claim, way);
  } catch (thrown) {
    if (taken !== undefined && !(taken instanceof HoldfastError)) await discardSnapshot(context, taken);
    return failed(claim, thrown);
  }
}

function failed(claim: WantedClaim, thrown: unknown): VolumeRecord {
  const { code, message } = asHoldfastError(thrown);
  return { ...claim.facts, state: 'failed', code, reason: message };
}

/** Without a snapshot: from the claim itself, where that is wanted or allowed. */
async function fromClaim(
  context: ClaimContext,
  claim: WantedClaim,
  { without, wanted }: Extract<Way, { without: unknown }>,
): Promise<VolumeRecord> {
  if (!wanted && !context.settings.liveFallback) throw without;
  try {
    const data = await context.move(() => moveLive(context, claim));
    return { ...claim.facts, state: 'captured', reason: `read while in use, without a snapshot: ${without.message}`, data };
  } catch (thrown) {
    context.signal.throwIfAborted();
    const error = asHoldfastError(thrown);
    throw new HoldfastError(error.code, `no snapshot: ${without.message}; and it could not be read while in use: ${error.message}`);
  }
}

async function fromSnapshot(context: ClaimContext, claim: WantedClaim, from: SnapshotName): Promise<VolumeRecord> {
  const { wish, signal } = context;
  await untilSnapshot(context, from, 'ready', claim.facts);
  const handed = await handOver(context, from, claim.facts);
  let keep = false;
  try {
    if (wish.snapshots) {
      await keepSnapshot(context, handed);
      keep = true;
    }
    const { namespace, name } = handed;
    const snapshot: VolumeSnapshotRecord = { ...factsOf(handed.facts), ...(keep && { kept: { namespace, name } }) };
    const record = { ...claim.facts, state: 'captured', reason: '', snapshot } as const;
    if (!wish.data) return record;
    try {
      return { ...record, data: await context.move(() => moveSnapshot(context, claim, handed)) };
    } catch (thrown) {
      signal.throwIfAborted();
      return { ...failed(claim, thrown), ...(keep && { snapshot }) };
    }
  } catch (thrown) {
    // Nobody will ever hear of the set.
    keep = false;
    throw thrown;
  } finally {
    if (!keep) await discardSnapshot(context, handed);
    else await keepNewest(context, claim.facts).catch((thrown: unknown) => context.onWarning(asHoldfastError(thrown).message));
  }
}

function factsOf({ driver, class: snapshotClass, handle, takenAt, restoreSizeBytes }: SnapshotFacts): VolumeSnapshotRecord {
  return { driver, class: snapshotClass, handle, takenAt, restoreSizeBytes };
}

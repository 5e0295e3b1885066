import type { LimitFunction } from 'p-limit';
import type { ItemProblem } from '../../domain/backup-set.ts';
import { asHoldfastError, HoldfastError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { VolumeDataRecord, VolumeRecord, VolumeSnapshotRecord } from '../../domain/volume.ts';
import type { VolumeFindings, VolumeWish } from './capture.ts';
import { discardSnapshot, handOver, keepSnapshot } from './handover.ts';
import type { Unit } from './hook-plan.ts';
import { type Quiet, quiesce } from './hooks.ts';
import { liveRefusal, type MoveContext, moveLive, moveSnapshot } from './move.ts';
import { cutShort, whileQuiet } from './quiet-read.ts';
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

/** How a claim is to be captured: by a snapshot of this class; for this reason without one, from the claim itself; or, for this reason, not. */
type Way = { readonly snapshotClass: string } | { readonly live: HoldfastError } | { readonly fault: HoldfastError };

/** What was read of one claim while it was in use. */
interface Read {
  readonly data: VolumeDataRecord;
  readonly reason: string;
}

/** What came of one claim between the hooks. */
type Taken = SnapshotName | Read | HoldfastError;

/** What went wrong with hooks. */
interface Told {
  readonly problems: ItemProblem[];
  readonly passedOver: string[];
}

/** Captures claims that belong to one moment; their pods are quiet only until the storage has taken the snapshots, and what has none is read. */
export async function captureUnit(
  context: ClaimContext,
  unit: Unit,
  { atOnce, onDone }: { readonly atOnce: LimitFunction; readonly onDone: (claim: string) => void },
): Promise<VolumeFindings> {
  const ways = new Map(unit.claims.map(claim => [claim, wayOf(context, claim)]));
  const told: Told = { problems: [], passedOver: [] };
  const taken = await takeAll(context, unit, ways, { atOnce, told });
  const records = await Promise.all(
    unit.claims.map(async claim => {
      const record = admitting(await finish(context, claim, ways.get(claim), taken.get(claim)), told.passedOver);
      onDone(`${claim.facts.namespace}/${claim.facts.claim}`);
      return record;
    }),
  );
  return { records, problems: told.problems };
}

/** What was taken or read although a hook failed says so. */
function admitting(record: VolumeRecord, passedOver: readonly string[]): VolumeRecord {
  if ((record.snapshot === undefined && record.data === undefined) || passedOver.length === 0) return record;
  const taken = `${record.snapshot === undefined ? 'read' : 'taken'} although a hook failed: ${passedOver.join('; ')}`;
  return { ...record, reason: record.reason === '' ? taken : `${record.reason}; ${taken}` };
}

function wayOf(context: ClaimContext, claim: WantedClaim): Way {
  const { drivers, settings, snapshotClasses } = context;
  const without = (error: HoldfastError): Way => {
    if (claim.method !== 'live' && !settings.liveFallback) return { fault: error };
    const refusal = liveRefusal(context, claim);
    return refusal === undefined ? { live: error } : { fault: unreadable(error, refusal) };
  };
  const unsupported = (message: string): Way => without(new HoldfastError('VOLUME_UNSUPPORTED', message));
  if (claim.method === 'live') return unsupported('its annotation asks for it');
  const driver = drivers.get(claim.volume);
  if (driver === undefined) return unsupported(`its volume ${claim.volume} is of no CSI driver`);
  try {
    const configured = settings.snapshotClasses;
    const snapshotClass = chooseSnapshotClass({ driver, wanted: claim.snapshotClass, configured, classes: snapshotClasses });
    if (snapshotClass !== undefined) return { snapshotClass };
    return without(new HoldfastError('SNAPSHOT_CLASS_MISSING', `there is no VolumeSnapshotClass of driver ${driver}`));
  } catch (thrown) {
    // Somebody meant a snapshot, and has to say which: another way would hide that.
    return { fault: asHoldfastError(thrown) };
  }
}

function unreadable(without: HoldfastError, why: HoldfastError): HoldfastError {
  return new HoldfastError(why.code, `no snapshot: ${without.message}; and it could not be read while in use: ${why.message}`);
}

/** All that a unit has between its hooks: its snapshots at once, then what is read of it. A claim without an entry is captured without hooks. */
async function takeAll(
  context: ClaimContext,
  { claims, hooks }: Unit,
  ways: ReadonlyMap<WantedClaim, Way | undefined>,
  { atOnce, told }: { readonly atOnce: LimitFunction; readonly told: Told },
): Promise<ReadonlyMap<WantedClaim, Taken>> {
  const { signal, runtime, settings } = context;
  const taken = new Map<WantedClaim, Taken>();
  const snapped: { claim: WantedClaim; snapshotClass: string }[] = [];
  const live: { claim: WantedClaim; why: HoldfastError }[] = [];
  for (const claim of claims) {
    const way = ways.get(claim);
    if (way !== undefined && 'snapshotClass' in way) snapped.push({ claim, snapshotClass: way.snapshotClass });
    if (way !== undefined && 'live' in way && hooks.length > 0) live.push({ claim, why: way.live });
  }
  if (snapped.length + live.length === 0 || signal.aborted) return taken;
  const begin = async (): Promise<Quiet> => {
    const quiet = await quiesce(hooks, context);
    told.passedOver.push(...quiet.passedOver);
    try {
      await Promise.all(snapped.map(async ({ claim, snapshotClass }) => taken.set(claim, await take(context, claim, snapshotClass))));
    } catch (thrown) {
      await quiet.thaw();
      throw thrown;
    }
    if (live.length === 0) told.problems.push(...(await quiet.thaw()));
    return quiet;
  };
  const all = async (): Promise<void> => {
    const quiet = await atOnce(begin);
    if (live.length === 0) return;
    const quietMs = settings.snapshotTimeoutMs;
    let whole = true;
    const readAll = (isQuiet: () => boolean) =>
      Promise.all(
        live.map(async ({ claim, why }) => {
          taken.set(claim, await readQuietly(context, claim, why, { isQuiet, quietMs }));
          whole &&= isQuiet();
        }),
      );
    told.problems.push(...(await whileQuiet(quiet, { runtime, signal, quietMs }, readAll)));
    if (!whole && !signal.aborted) told.problems.push(...cutShort(hooks, quietMs));
  };
  try {
    // Nothing is frozen while it waits for others to be read.
    await (live.length === 0 ? all() : context.move(all));
  } catch (thrown) {
    for (const { claim } of [...snapped, ...live]) taken.set(claim, asHoldfastError(thrown));
  }
  return taken;
}

async function readQuietly(
  context: ClaimContext,
  claim: WantedClaim,
  why: HoldfastError,
  { isQuiet, quietMs }: { readonly isQuiet: () => boolean; readonly quietMs: number },
): Promise<Taken> {
  try {
    const data = await moveLive(context, claim);
    if (isQuiet()) return { data, reason: `read while its pods were quiet, without a snapshot: ${why.message}` };
    return { data, reason: `${readInUse(why)}; its pods were quiet for the first ${quietMs / 1000} s of it` };
  } catch (thrown) {
    return unreadable(why, asHoldfastError(thrown));
  }
}

function readInUse(why: HoldfastError): string {
  return `read while in use, without a snapshot: ${why.message}`;
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
  const snapshot = taken !== undefined && 'namespace' in taken ? taken : undefined;
  try {
    context.signal.throwIfAborted();
    if (taken instanceof HoldfastError) throw taken;
    if (snapshot !== undefined) return await fromSnapshot(context, claim, snapshot);
    if (taken !== undefined && 'data' in taken) return { ...claim.facts, state: 'captured', ...taken };
    if (way !== undefined && 'fault' in way) throw way.fault;
    if (way !== undefined && 'live' in way) return await fromClaim(context, claim, way.live);
    throw new HoldfastError('INTERNAL', 'a claim was left without a way to capture it');
  } catch (thrown) {
    if (snapshot !== undefined) await discardSnapshot(context, snapshot);
    return failed(claim, thrown);
  }
}

function failed(claim: WantedClaim, thrown: unknown): VolumeRecord {
  const { code, message } = asHoldfastError(thrown);
  return { ...claim.facts, state: 'failed', code, reason: message };
}

/** Without a snapshot, and without hooks: from the claim itself. */
async function fromClaim(context: ClaimContext, claim: WantedClaim, why: HoldfastError): Promise<VolumeRecord> {
  try {
    const data = await context.move(() => moveLive(context, claim));
    return { ...claim.facts, state: 'captured', reason: readInUse(why), data };
  } catch (thrown) {
    context.signal.throwIfAborted();
    throw unreadable(why, asHoldfastError(thrown));
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
  }
}

function factsOf({ driver, class: snapshotClass, handle, takenAt, restoreSizeBytes }: SnapshotFacts): VolumeSnapshotRecord {
  return { driver, class: snapshotClass, handle, takenAt, restoreSizeBytes };
}

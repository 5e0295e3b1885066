import type { IndexEntry, ItemFailure } from '../../domain/backup-set.ts';
import { asHoldfastError, HoldfastError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import { kindName } from '../../domain/resource.ts';
import { claimName } from '../../domain/volume.ts';
import { occupiedReason, type PlannedVolume, planVolume, type TargetClass, type VolumeOutcome } from '../../domain/volume-restore.ts';
import { eachConcurrently } from '../../repository/concurrency.ts';
import { claims as claimKind } from '../../volumes/kinds.ts';
import type { Ground, RestoreInput } from '../ground.ts';
import type { Tally } from '../tally.ts';
import { modeOf, type VolumeClaim } from './claim.ts';
import { type FillContext, fillVolume, takeUp } from './fill.ts';
import { createFixedVolumes } from './fixed-volumes.ts';
import { confirmVolume, type Filled, type FilledVolume } from './handover.ts';
import { findClaims, readFilledVolumes, readStorageClasses, type StorageClasses, snapshotState } from './survey.ts';
import { discardOthers, foreignReason, type Waiting, waitingFor } from './waiting.ts';

/** A claim, what is to be done about its data, and what that takes. */
export interface PlannedClaim {
  readonly claim: VolumeClaim;
  readonly plan: PlannedVolume;
  readonly storage: TargetClass | string;
  readonly snapshot: Awaited<ReturnType<typeof snapshotState>>;
  readonly waiting: Waiting;
  /** An earlier life of the same restore has filled its volume. */
  readonly filled?: FilledVolume;
}

/** What the same restore will bring, of which claims need to know beforehand. */
export interface VolumesToCome {
  readonly classes: StorageClasses;
  readonly volumes: () => Promise<readonly JsonObject[]>;
}

/** Says where the data of each claim comes from. Writes nothing. */
export async function planVolumes(
  input: RestoreInput,
  ground: Pick<Ground, 'scope' | 'live'>,
  toCome?: VolumesToCome,
): Promise<readonly PlannedClaim[]> {
  const { cluster, options, signal, volumes: tools, reader } = input;
  const claims = await findClaims(input, ground);
  if (claims.length === 0) return [];
  const known = toCome?.classes ?? (await readStorageClasses(cluster, signal));
  const namespace = tools?.settings.namespace ?? '';
  const set = reader.manifest.id;
  const fixed = createFixedVolumes({ cluster, signal, set, namespace, ...(toCome !== undefined && { toCome: toCome.volumes }) });
  const filled = await readFilledVolumes(cluster, tools?.installation, signal);
  return Promise.all(
    claims.map(async claim => {
      const { place, record, spec, sizeBytes } = claim;
      const storage = known.of(spec);
      const snapshot = await snapshotState(record, { cluster, namespace, signal });
      const exists = ground.live.get(claimKind, place.namespace, place.claim) !== undefined;
      const own = exists || record.state === 'not-protected' ? undefined : await fixed.of(claim, storage);
      const planned = planVolume({
        ...place,
        ...{ record, storage, snapshot, volumeMode: modeOf(spec), wanted: options.volumes ?? 'data', exists },
        ...(own !== undefined && { fixed: own }),
        ...(sizeBytes !== undefined && { sizeBytes }),
      });
      const waiting = waitingFor({ set, claim }, filled);
      const { own: earlier, foreign } = waiting;
      if (foreign !== undefined && planned.action !== 'keep') {
        const plan = {
          ...planned,
          action: 'fail',
          source: 'none',
          reason: foreignReason(foreign),
          code: 'VOLUME_IN_USE',
          bytes: 0,
        } as const;
        return { claim, plan, storage, snapshot, waiting };
      }
      // A claim that somebody else made meanwhile is not ours to touch.
      if (earlier !== undefined && (planned.action !== 'keep' || earlier.handedOver)) {
        const { source, bytes } = earlier.filled;
        const reason = 'an earlier run of this restore has filled its volume';
        return { claim, plan: { ...place, source, bytes, action: 'fill', reason }, storage, snapshot, waiting, filled: earlier };
      }
      const plan = planned.action === 'fill' && tools === undefined ? withoutTools(planned) : planned;
      return { claim, plan, storage, snapshot, waiting };
    }),
  );
}

/** Why the data of a claim cannot be brought back, and so the claim is not created. */
export function problemOf({ action, code, reason }: PlannedVolume): ItemFailure | undefined {
  return action === 'fail' ? { code: code ?? 'RESTORE_PARTIAL', message: reason } : undefined;
}

function withoutTools(planned: PlannedVolume): PlannedVolume {
  const reason = 'nothing is configured that could move its data: see volumes.mover, or create it empty with --volumes none';
  return { ...planned, action: 'fail', source: 'none', reason, code: 'CONFIG_INVALID', bytes: 0 };
}

function nameOf({ namespace, claim }: { readonly namespace: string; readonly claim: string }): string {
  return `${namespace}/${claim}`;
}

/** A volume that had files keeps them. */
export function outcomeOf(
  { occupied, include: _, ...filled }: Filled,
  volume: string,
): Omit<Filled, 'occupied' | 'include'> & Partial<Pick<VolumeOutcome, 'reason'>> & Pick<VolumeOutcome, 'state'> {
  return occupied === undefined ? { ...filled, state: 'filled' } : { ...filled, state: 'kept', reason: occupiedReason(volume) };
}

/** The data of the claims of one restore. A claim appears once its volume is full, and not at all where that cannot be. */
export class Volumes {
  readonly #input: RestoreInput;
  readonly #tally: Tally;
  readonly #context: FillContext | undefined;
  readonly #outcomes = new Map<string, VolumeOutcome>();
  /** Reserved for claims that have not been seen bound. */
  readonly #reserved = new Map<string, { readonly claim: VolumeClaim; readonly volume: string; readonly filled: Filled }>();
  #planned: readonly PlannedClaim[] | undefined;

  constructor(input: RestoreInput, tally: Tally) {
    const { cluster, signal, progress, runtime, reader, volumes: tools } = input;
    const onWrite = () => void tally.writes++;
    this.#input = input;
    this.#tally = tally;
    this.#context = tools === undefined ? undefined : { cluster, signal, progress, runtime, onWrite, tools, set: reader.manifest.id };
  }

  get outcomes(): readonly VolumeOutcome[] {
    return [...this.#outcomes.values()].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  }

  /** Fills what is to be filled, several at a time; once. */
  async fill(ground: Pick<Ground, 'scope' | 'live' | 'blocked'>): Promise<void> {
    if (this.#planned !== undefined || this.#input.reader.manifest.volumes.length === 0) return;
    this.#planned = await planVolumes(this.#input, ground);
    await this.#discardOthers();
    const work = this.#planned.filter(({ claim }) => !ground.blocked.has(claim.place.namespace));
    const most = this.#input.volumes?.settings.parallel ?? 1;
    await eachConcurrently(work, most, one => this.#one(one));
  }

  /** Why a claim must not be created. */
  refusal(
    entry: Pick<IndexEntry, 'group' | 'resource'>,
    place: { readonly namespace: string; readonly name: string },
  ): ItemFailure | undefined {
    return kindName(entry) === kindName(claimKind) ? this.#outcomes.get(`${place.namespace}/${place.name}`)?.problem : undefined;
  }

  /** Waits until the claims that were created are bound, each to the volume that was filled for it; `last`: there will be no more of them. */
  async confirm(last: boolean): Promise<void> {
    await Promise.all([...this.#reserved.values()].map(one => this.#bound(one, last)));
  }

  async #one(planned: PlannedClaim): Promise<void> {
    const { claim, plan, filled } = planned;
    const key = nameOf(claim.place);
    const told = { ...claim.place, source: plan.source, reason: plan.reason, bytes: 0, files: 0, durationMs: 0 };
    this.#input.progress({ phase: 'volumes', detail: key });
    if (filled !== undefined && this.#context !== undefined) {
      await this.#take(claim, key, context => takeUp(filled, claim, context), plan.reason);
      return;
    }
    const problem = problemOf(plan);
    if (problem !== undefined) {
      this.#outcomes.set(key, { ...told, state: 'failed', problem });
      return;
    }
    if (plan.action !== 'fill' || this.#context === undefined) {
      this.#outcomes.set(key, { ...told, state: plan.action === 'keep' ? 'kept' : 'empty' });
      return;
    }
    await this.#take(claim, key, context => fillVolume(planned, context), plan.volume === undefined ? told.reason : '');
  }

  /** A failure is that of one claim; others go on. */
  async #take(
    claim: VolumeClaim,
    key: string,
    work: (context: FillContext) => Promise<{ readonly volume: string; readonly filled: Filled }>,
    reason = '',
  ): Promise<void> {
    const context = this.#context;
    if (context === undefined) return;
    const told = { ...claim.place, reason };
    try {
      const { volume, filled } = await work(context);
      this.#reserved.set(key, { claim, volume, filled });
      this.#outcomes.set(key, { ...told, ...outcomeOf(filled, volume) });
    } catch (thrown) {
      context.signal.throwIfAborted();
      this.#failed(claim, thrown);
    }
  }

  /** Volumes that another restore filled for the same claims would be bound in the place of ours. */
  async #discardOthers(): Promise<void> {
    const context = this.#context;
    if (context === undefined) return;
    for (const { plan, waiting } of this.#planned ?? []) if (plan.action !== 'keep') await discardOthers(waiting, context);
  }

  async #bound({ claim, volume }: { readonly claim: VolumeClaim; readonly volume: string }, last: boolean): Promise<void> {
    const { cluster, signal } = this.#input;
    const context = this.#context;
    const { place } = claim;
    if (context === undefined) return;
    if ((await cluster.get(claimKind, place.namespace, place.claim, { signal })) === undefined) {
      // Why it is not there is a problem of the object itself; its volume waits for the same restore to be run again.
      if (last) this.#failed(claim, new HoldfastError('RESTORE_PARTIAL', 'its volume is full, but the claim was not created'));
      return;
    }
    try {
      await confirmVolume(volume, place, context);
    } catch (thrown) {
      signal.throwIfAborted();
      this.#failed(claim, thrown);
      this.#tally.failed(claimName(place), thrown);
    }
    this.#reserved.delete(nameOf(place));
  }

  #failed({ place, record }: VolumeClaim, thrown: unknown): void {
    const { code, message } = asHoldfastError(thrown);
    const none = {
      source: record.data === undefined ? 'snapshot' : 'repository',
      bytes: 0,
      files: 0,
      durationMs: 0,
      reason: message,
    } as const;
    const before = this.#outcomes.get(nameOf(place)) ?? none;
    this.#outcomes.set(nameOf(place), { ...place, ...none, source: before.source, state: 'failed', problem: { code, message } });
  }
}

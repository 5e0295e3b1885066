import type { Lease } from '../cluster/lease.ts';
import type { ItemProblem } from '../domain/backup-set.ts';
import type { ClaimPlace } from '../domain/claim-request.ts';
import { asHoldfastError, isCode } from '../domain/errors.ts';
import { type JsonObject, stringAt } from '../domain/json.ts';
import type { Runtime } from '../domain/runtime.ts';
import { claimName, volumeNames } from '../domain/volume.ts';
import type { VolumeSettings } from '../domain/volume-settings.ts';
import { cleanUp } from './clean-up.ts';
import { type HeldLease, holdLease } from './held-lease.ts';
import { configMaps, leases } from './kinds.ts';
import { claimAnnotations, claimDigest, isForeign, workLabels } from './labels.ts';
import { workloadsUsing } from './mover-users.ts';
import type { Objects } from './objects.ts';
import { scaleDown, scaleUp } from './workload-scale.ts';

export interface ScaledTools {
  readonly objects: Objects;
  /** Whose notes they are; all are taken for ours where nobody says. */
  readonly installation?: string;
  readonly settings: Pick<VolumeSettings, 'namespace'>;
  /** A Lease of the service's namespace. */
  readonly lease: (name: string) => Lease;
  readonly runtime: Runtime;
  readonly monotonic: () => number;
  readonly onWarning: (text: string) => void;
  /** How long to wait for a restore that may be over, milliseconds; 45 seconds unless told, longer than a lease lasts that nobody renews. */
  readonly waitMs?: number;
}

/** What came of workloads that restores had left scaled down. */
export interface ScaledUp {
  /** A sentence a restore. */
  readonly scaledUp: readonly string[];
  /** What could not be scaled up. */
  readonly problems: readonly ItemProblem[];
}

/**
 * Scales down what uses a claim while that is written. A note, a ConfigMap of the service's namespace, says of which claim, so that a process that is
 * killed meanwhile leaves nothing scaled down for good; a Lease says whether the restore is still at work.
 */
export interface ScaledWorkloads {
  /**
   * Scales down what uses the claim, writes, and scales up again, whatever came of it; goes on where one that was killed has stopped. `set`: which is
   * brought back. VOLUME_IN_USE for pods that nothing scales, MOVER_FAILED where another one is at work on the same claim.
   */
  around<T>(
    place: ClaimPlace,
    options: { readonly set: string; readonly signal: AbortSignal },
    write: (signal: AbortSignal) => Promise<T>,
  ): Promise<T>;
  /** Scales up what restores that are over have left scaled down, but for these claims; finding out whether one is over takes up to 45 seconds. */
  scaleUpLeft(signal: AbortSignal, spared?: readonly ClaimPlace[]): Promise<ScaledUp>;
  /** What one note is about. MOVER_FAILED where that restore is at work. */
  scaleUpNoted(name: string, signal: AbortSignal): Promise<void>;
}

interface Note {
  readonly name: string;
  readonly place: ClaimPlace;
  readonly set: string;
  readonly since: string;
}

/** How long pods may take to end. */
const scaleMs = 300_000;
/** For giving replicas back, whatever the caller's signal says. */
const giveBackMs = 60_000;
const defaultWaitMs = 45_000;

export function createScaledWorkloads(tools: ScaledTools): ScaledWorkloads {
  const { objects, settings, installation, runtime, monotonic, onWarning, waitMs = defaultWaitMs } = tools;
  const { namespace } = settings;
  const read = (name: string, signal: AbortSignal) => objects.read(configMaps, namespace, name, signal);
  const remove = (name: string) =>
    cleanUp(tools, `configmaps ${namespace}/${name}`, bound => objects.remove(configMaps, namespace, name, bound));

  const take = (place: ClaimPlace, who: string, signal: AbortSignal): Promise<HeldLease> => {
    const identity = `${who}/${Buffer.from(runtime.random(4)).toString('hex')}`;
    return holdLease({ runtime, monotonic, signal, identity, waitMs, lease: tools.lease(nameFor(place)) });
  };
  const letGo = async (hold: HeldLease, name: string): Promise<void> => {
    if (await hold.stop()) await cleanUp(tools, `lease ${name}`, bound => objects.remove(leases, namespace, name, bound));
  };

  /** Of a restore that is over. What was done, if there was anything to do. */
  const giveBack = async ({ name, place, set, since }: Note, signal: AbortSignal): Promise<string | undefined> => {
    const hold = await take(place, 'scale-up', signal);
    try {
      if ((await read(name, signal)) === undefined) return undefined;
      const scaled = await scaleUp(place, { objects, signal: AbortSignal.any([signal, hold.signal]) });
      await remove(name);
      if (scaled.length === 0) return undefined;
      return `${scaled.join(', ')}: left scaled down by a restore of ${claimName(place)} from ${set}, since ${since}; scaled up now`;
    } finally {
      await letGo(hold, name);
    }
  };

  /** By the restore itself, which may have lost its lease, and then has to find out whether another one is at work. */
  const end = async (place: ClaimPlace, hold: HeldLease): Promise<void> => {
    const [name, signal] = [nameFor(place), AbortSignal.timeout(giveBackMs)];
    if (hold.signal.aborted) {
      await giveBack({ name, place, set: '', since: '' }, signal);
      return;
    }
    await scaleUp(place, { objects, signal });
    await remove(name);
  };

  return {
    around: async (place, { set, signal: asked }, write) => {
      const hold = await take(place, set, asked);
      const signal = AbortSignal.any([asked, hold.signal]);
      try {
        const written = await (async () => {
          await objects.ensure(configMaps, noteObject(place, set, tools), signal);
          const users = await workloadsUsing(place, { objects, signal, installation });
          if (users.length > 0) await scaleDown(place, users, { objects, signal, installation, timeoutMs: scaleMs });
          return await write(signal);
        })().catch(async thrown => {
          await end(place, hold).catch(failure => onWarning(leftDown(place, failure)));
          throw thrown;
        });
        await end(place, hold);
        return written;
      } finally {
        await letGo(hold, nameFor(place));
      }
    },
    scaleUpLeft: async (signal, spared = []) => {
      const where = { namespace, labelSelector: `${volumeNames.workLabel},${volumeNames.roleLabel}=scaled` };
      const names = new Set(spared.map(nameFor));
      const notes = (await objects.list(configMaps, where, signal))
        .filter(object => !isForeign(object, installation))
        .map(noteOf)
        .filter(({ name }) => !names.has(name));
      const results = await Promise.all(notes.map(note => giveBack(note, signal).catch(problemOf(note, signal))));
      return {
        scaledUp: results.filter(result => typeof result === 'string'),
        problems: results.filter(result => typeof result === 'object'),
      };
    },
    scaleUpNoted: async (name, signal) => {
      const found = await read(name, signal);
      if (found !== undefined) await giveBack(noteOf(found), signal);
    },
  };
}

/** Of the note and of the Lease. */
function nameFor(place: ClaimPlace): string {
  return `holdfast-scaled-${claimDigest(place)}`;
}

function leftDown(place: ClaimPlace, thrown: unknown): string {
  return `what uses ${claimName(place)} may still be scaled down: ${asHoldfastError(thrown).message}`;
}

/** A restore that is at work scales up by itself. */
function problemOf({ place }: Note, signal: AbortSignal): (thrown: unknown) => ItemProblem | undefined {
  return thrown => {
    signal.throwIfAborted();
    if (isCode(thrown, 'MOVER_FAILED')) return undefined;
    return { item: claimName(place), code: asHoldfastError(thrown).code, message: leftDown(place, thrown) };
  };
}

function noteObject(place: ClaimPlace, set: string, { settings, installation, runtime }: ScaledTools): object {
  const metadata = { name: nameFor(place), namespace: settings.namespace, annotations: claimAnnotations(place) };
  return {
    metadata: { ...metadata, labels: workLabels(set, 'scaled', place, installation) },
    data: { claim: `${place.namespace}/${place.claim}`, since: runtime.now().toISOString() },
  };
}

function noteOf(object: JsonObject): Note {
  const [namespace = '', claim = ''] = (stringAt(object, 'data', 'claim') ?? '').split('/');
  return {
    name: stringAt(object, 'metadata', 'name') ?? '',
    place: { namespace, claim },
    set: stringAt(object, 'metadata', 'labels', volumeNames.workLabel) ?? '',
    since: stringAt(object, 'data', 'since') ?? 'some time ago',
  };
}

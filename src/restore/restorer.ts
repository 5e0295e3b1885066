import { type IndexEntry, indexKey } from '../domain/backup-set.ts';
import { asHoldfastError, type ErrorCode, HoldfastError, isCode } from '../domain/errors.ts';
import { isObject, type JsonObject, parseJson } from '../domain/json.ts';
import { equalJson } from '../domain/json-compare.ts';
import { removeAt } from '../domain/json-paths.ts';
import { mappedPlace } from '../domain/namespace-mapping.ts';
import { kindName, refName } from '../domain/resource.ts';
import type { RestoreAction } from '../domain/restore-plan.ts';
import { objectForm } from '../domain/restored-form.ts';
import { assess, type Decision, decide, ownedOptions, type Wanted } from './assess.ts';
import { ownedPart } from './field-set.ts';
import type { Ground, RestoreInput } from './ground.ts';
import type { Lanes } from './lanes.ts';
import { type Found, foundObject } from './live.ts';
import { fieldManagers } from './managers.ts';
import { stepOfRank } from './order.ts';
import { Patience, waitUntil } from './patience.ts';
import type { Tally } from './tally.ts';
import type { Volumes } from './volumes/volumes.ts';
import {
  AlreadyThere,
  addOwners,
  completeWanted,
  createWanted,
  getLive,
  rethrowAsAlreadyThere,
  updateWanted,
  type WriteContext,
} from './write.ts';

const mostAttempts = 6;
/** A kind can be listed by discovery a moment before its objects are served. */
const servingDelayMs = 500;

interface Later {
  readonly wanted: Wanted;
  readonly entry: IndexEntry;
}

/** Brings back single objects, in whatever order they come, and remembers what has to be tried or completed later. */
export class Restorer {
  readonly #input: RestoreInput;
  readonly #ground: Ground;
  readonly #tally: Tally;
  readonly #patience: Patience;
  readonly #writing: WriteContext;
  readonly #lanes: Lanes;
  readonly #volumes: Volumes;
  readonly #later: Later[] = [];
  /** What failed for a reason that may go away, by key. */
  readonly failures = new Map<string, { readonly item: string; readonly thrown: unknown; readonly rank: number }>();
  /** Namespaces of the target that cannot be written to, and why. */
  readonly blocked = new Map<string, string>();

  constructor(input: RestoreInput, ground: Ground, tally: Tally, lanes: Lanes, volumes: Volumes) {
    const { cluster, runtime, signal, options } = input;
    this.#input = input;
    this.#ground = ground;
    this.#tally = tally;
    this.#lanes = lanes;
    this.#volumes = volumes;
    this.#patience = new Patience(cluster, { runtime, signal, waitMs: options.waitMs ?? defaultWaitMs });
    this.#writing = { cluster, signal, owned: ownedOptions(options), onWrite: () => tally.writes++ };
  }

  /** Never fails for the object's sake; throws what makes going on pointless. */
  async restore(entry: IndexEntry, json: string): Promise<void> {
    const rank = this.#ground.scope.rankOf(entry);
    if (rank === undefined) return;
    const step = stepOfRank(rank);
    const key = indexKey(entry);
    try {
      const action = await this.#bringBack(entry, json);
      this.failures.delete(key);
      if (action !== undefined) this.#tally.count(step, action);
    } catch (thrown) {
      if (this.#input.signal.aborted || isCode(thrown, 'CLUSTER_UNREACHABLE', 'CLUSTER_UNAUTHORIZED', 'INTERRUPTED')) throw thrown;
      this.#ground.owners.settle(entry.uid, 'failed');
      this.failures.set(key, { item: this.#nameOf(entry), thrown, rank });
    }
  }

  /** Undefined when there is nothing to count. */
  async #bringBack(entry: IndexEntry, json: string): Promise<RestoreAction | undefined> {
    const { scope, live, owners } = this.#ground;
    const target = this.#ground.target(entry);
    const place = mappedPlace(this.#input.options.namespaceMapping, entry);
    if (scope.isRequired(entry) && live.get(entry, place.namespace, place.name) !== undefined) return undefined;
    if ('missing' in target) return this.#failTogether(entry, kindName(entry), 'CLUSTER_NOT_FOUND', target.missing);
    const why = this.blocked.get(place.namespace === '' ? place.name : place.namespace);
    if (why !== undefined && (place.namespace !== '' || entry.resource === 'namespaces')) {
      return this.#failTogether(entry, `namespaces ${place.namespace === '' ? place.name : place.namespace}`, 'CLUSTER_CONFLICT', why);
    }
    const refusal = this.#volumes.refusal(entry, place);
    if (refusal !== undefined) throw refusal;
    const wanted = await assess(target.kind, entry, json, this.#ground.assessing);
    if ('excluded' in wanted) {
      owners.settle(entry.uid, 'none');
      return 'exclude';
    }
    const { uid, action, notes } = await this.#write(wanted);
    if (uid !== '') owners.settle(entry.uid, { uid });
    if (wanted.laterOwners.length > 0 && action !== 'skip-equal') this.#later.push({ wanted: withoutContents(wanted), entry });
    if (action !== 'skip-equal' && action !== 'skip-differs') for (const note of notes) this.#tally.warn(this.#nameOf(entry), note);
    return action;
  }

  #failTogether(entry: IndexEntry, item: string, code: ErrorCode, message: string): RestoreAction {
    this.#ground.owners.settle(entry.uid, 'failed');
    this.#tally.failedTogether(item, code, message);
    return 'fail';
  }

  /** Decides and acts, anew after each surprise: an object that appeared, an answer that was lost, a server that went away. */
  async #write(first: Wanted): Promise<{ readonly uid: string; readonly action: RestoreAction; readonly notes: readonly string[] }> {
    let wanted = first;
    let found = this.#ground.live.get(wanted.kind, wanted.namespace, wanted.name);
    let lost: RestoreAction | undefined;
    for (let attempt = 1; ; attempt++) {
      let decision = await this.#decide(wanted, found);
      try {
        if (decision.action === 'recreate' && attempt === 1) {
          // The look at the target may be minutes old, and what is deleted is gone.
          found = await this.#lookAgain(wanted);
          decision = await this.#decide(wanted, found);
        }
        const uid = await this.#act(wanted, decision, found);
        return { uid, action: lost !== undefined && decision.action.startsWith('skip') ? lost : decision.action, notes: wanted.notes };
      } catch (thrown) {
        if (attempt >= mostAttempts) throw thrown instanceof AlreadyThere ? conflict(thrown) : thrown;
        if (thrown instanceof AlreadyThere) {
          // read again below
        } else if (isCode(thrown, 'CLUSTER_UNREACHABLE')) {
          lost = decision.action;
          await this.#patience.untilBack(thrown);
        } else if (isCode(thrown, 'CLUSTER_THROTTLED')) {
          this.#lanes.throttled();
        } else if (isCode(thrown, 'CLUSTER_NOT_FOUND') && decision.action === 'create' && !/namespaces? /.test(thrown.message)) {
          await this.#input.runtime.sleep(servingDelayMs, this.#input.signal);
        } else if (portTaken(wanted, thrown)) {
          wanted = withoutNodePorts(wanted, `node port in use on the target: another one was taken (${thrown.message})`);
        } else throw thrown;
        found = await this.#lookAgain(wanted);
      }
    }
  }

  async #decide(wanted: Wanted, found: Found | undefined): Promise<Decision> {
    const decision = decide(wanted, found, this.#input.options);
    const { object: ownership } = wanted.ownership;
    if (decision.action !== 'skip-differs' || ownership.how !== 'apply' || found?.applier !== ownership.manager) return decision;
    const live = await getLive(wanted, this.#writing);
    return live !== undefined && isHalfApplied(wanted, live) ? { action: 'complete' } : decision;
  }

  async #act(wanted: Wanted, decision: Decision, found: Found | undefined): Promise<string> {
    switch (decision.action) {
      case 'create':
        return createWanted(wanted, this.#writing);
      case 'complete':
        return completeWanted(wanted, await this.#mustGet(wanted), this.#writing);
      case 'adopt':
      case 'update':
        return updateWanted(wanted, await this.#mustGet(wanted), this.#writing);
      case 'recreate':
        await this.#remove(wanted, found!.uid);
        return createWanted(wanted, this.#writing);
      case 'fail':
        throw new HoldfastError('CLUSTER_CONFLICT', decision.reason ?? 'cannot be restored');
      default:
        return found?.uid ?? '';
    }
  }

  async #remove(wanted: Wanted, uid: string): Promise<void> {
    const { cluster, runtime, signal, options } = this.#input;
    this.#tally.writes++;
    await cluster.delete(wanted.kind, wanted.namespace, wanted.name, { signal, uid }).catch(rethrowAsAlreadyThere(wanted));
    const gone = await waitUntil(async () => (await this.#lookAgain(wanted))?.uid !== uid, {
      runtime,
      signal,
      waitMs: options.waitMs ?? defaultWaitMs,
    });
    if (!gone) throw new HoldfastError('TIMEOUT', 'was deleted to be recreated, but is still there: a finalizer holds it');
  }

  async #lookAgain(wanted: Wanted): Promise<Found | undefined> {
    const text = await getLive(wanted, this.#writing);
    const object = text === undefined ? undefined : parseJson(text);
    return isObject(object) ? foundObject(wanted.kind, object, this.#writing.owned) : undefined;
  }

  async #mustGet(wanted: Wanted): Promise<string> {
    const live = await getLive(wanted, this.#writing);
    if (live === undefined) throw new AlreadyThere('deleted meanwhile');
    return live;
  }

  /** Adds the owner references that could not be set before; with `last`, gives up those whose owners never came. */
  async linkLater(last: boolean): Promise<void> {
    const waiting = this.#later.splice(0);
    for (const later of waiting) {
      await this.#lanes.start(() => this.#link(later, last));
    }
    await this.#lanes.drain();
  }

  async #link(later: Later, last: boolean): Promise<void> {
    const { wanted, entry } = later;
    const linked = await this.#ground.owners.relink(wanted.laterOwners, entry.namespace);
    if (linked.later > 0 && !last) {
      this.#later.push(later);
      return;
    }
    const lost = linked.later > 0 || linked.failed !== undefined;
    if (lost) this.#tally.warn(this.#nameOf(entry), 'its owner could not be restored: the reference is left out');
    try {
      if (linked.owners.length > 0) await addOwners(wanted, linked.owners, this.#writing);
    } catch (thrown) {
      if (this.#input.signal.aborted) throw thrown;
      this.#tally.failed(this.#nameOf(entry), thrown);
    }
  }

  #nameOf(entry: IndexEntry): string {
    return refName({ group: entry.group, resource: entry.resource, ...mappedPlace(this.#input.options.namespaceMapping, entry) });
  }
}

export const defaultWaitMs = 120_000;

/** An apply was interrupted before the fields that nobody owns were made equal: what the applier owns is, and no one has touched it since. */
function isHalfApplied(wanted: Wanted, live: string): boolean {
  const object = parseJson(live);
  const { object: ownership } = wanted.ownership;
  if (!isObject(object) || ownership.how !== 'apply') return false;
  const [applier] = fieldManagers(object);
  const { creationTimestamp } = object['metadata'] as JsonObject;
  if (applier === undefined || applier.entry['time'] !== creationTimestamp || !equalJson(applier.fields, ownership.fields)) return false;
  const { main } = objectForm(wanted.kind, object);
  return equalJson(ownedPart(main, ownership.fields), ownedPart(wanted.form.main, ownership.fields));
}

function portTaken(wanted: Wanted, thrown: unknown): thrown is HoldfastError {
  return kindName(wanted.kind) === 'services' && isCode(thrown, 'CLUSTER_REJECTED') && /port is already allocated/.test(thrown.message);
}

function withoutNodePorts(wanted: Wanted, note: string): Wanted {
  const main = parseJson(JSON.stringify(wanted.form.main)) as JsonObject;
  removeAt(main, ['spec', 'ports', '*', 'nodePort']);
  return { ...wanted, form: { ...wanted.form, main }, notes: [...wanted.notes, note] };
}

/** What adding a reference takes, and no more: many may wait at once. */
function withoutContents(wanted: Wanted): Wanted {
  const { apiVersion, kind } = wanted.form.main;
  const main: JsonObject = { ...(apiVersion !== undefined && { apiVersion }), ...(kind !== undefined && { kind }) };
  return { ...wanted, form: { main, status: undefined, owners: [] }, notes: [] };
}

function conflict(thrown: unknown): HoldfastError {
  return new HoldfastError('CLUSTER_CONFLICT', `changes as fast as it is looked at: ${asHoldfastError(thrown).message}`, { cause: thrown });
}

import { type IndexEntry, indexKey } from '../domain/backup-set.ts';
import { asHoldfastError, HoldfastError, isCode } from '../domain/errors.ts';
import { isObject, type JsonObject, parseJson } from '../domain/json.ts';
import { removeAt } from '../domain/json-paths.ts';
import { mappedPlace } from '../domain/namespace-mapping.ts';
import { kindName, refName } from '../domain/resource.ts';
import type { RestoreAction } from '../domain/restore-plan.ts';
import { type Decision, ownedOptions, type Wanted } from './assess.ts';
import { type Found, foundObject } from './found.ts';
import type { Ground, RestoreInput } from './ground.ts';
import { decideWith, type JudgeContext, type Judged, judge, notesOn } from './judge.ts';
import type { Lanes } from './lanes.ts';
import { stepOfRank } from './order.ts';
import { defaultWaitMs, Patience, waitUntil } from './patience.ts';
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
/** So often a node port is asked for before another one is taken. */
const portAttempts = 3;

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
  readonly #judging: JudgeContext;
  readonly #later: Later[] = [];
  /** What failed for a reason that may go away, by key. */
  readonly failures = new Map<string, { readonly item: string; readonly thrown: unknown; readonly rank: number }>();

  constructor(input: RestoreInput, ground: Ground, tally: Tally, lanes: Lanes, volumes: Volumes) {
    const { cluster, runtime, signal, options } = input;
    this.#input = input;
    this.#ground = ground;
    this.#tally = tally;
    this.#lanes = lanes;
    this.#judging = { input, ground, refusal: (entry, place) => volumes.refusal(entry, place) };
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
    const judgement = await judge(this.#judging, entry, json);
    if (judgement === 'left') return undefined;
    if ('excluded' in judgement) return 'exclude';
    if ('refused' in judgement) {
      const { code, message } = judgement.refused;
      if (judgement.together === undefined) throw new HoldfastError(code, message);
      this.#tally.failedTogether(judgement.together, code, message);
      return 'fail';
    }
    const { uid, action, wanted } = await this.#write(judgement);
    if (uid !== '') this.#ground.owners.settle(entry.uid, { uid });
    if (wanted.laterOwners.length > 0 && action !== 'skip-equal') this.#later.push({ wanted: withoutContents(wanted), entry });
    for (const note of notesOn(action, wanted)) this.#tally.warn(this.#nameOf(entry), note);
    return action;
  }

  /** Does what was decided, and decides anew after each surprise: an object that appeared, an answer that was lost, a server that went away. */
  async #write(judged: Judged): Promise<{ readonly uid: string; readonly action: RestoreAction; readonly wanted: Wanted }> {
    let { wanted, found, decision } = judged;
    let lost: RestoreAction | undefined;
    for (let attempt = 1; ; attempt++) {
      try {
        if (decision.action === 'recreate' && attempt === 1) {
          // The look at the target may be minutes old, and what is deleted is gone.
          found = await this.#lookAgain(wanted);
          decision = await decideWith(wanted, found, this.#input);
        }
        const uid = await this.#act(wanted, decision, found);
        return { uid, action: lost !== undefined && decision.action.startsWith('skip') ? lost : decision.action, wanted };
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
          // Perhaps by the service itself, which a restore that was killed had asked for, or by its request that came to nothing: the next look tells.
          if (attempt >= portAttempts) {
            wanted = withoutNodePorts(wanted, `node port in use on the target: another one was taken (${thrown.message})`);
          } else await this.#input.runtime.sleep(servingDelayMs, this.#input.signal);
        } else throw thrown;
        found = await this.#lookAgain(wanted);
        decision = await decideWith(wanted, found, this.#input);
      }
    }
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

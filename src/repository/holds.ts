import { HoldfastError } from '../domain/errors.ts';
import { type HoldReadOptions, type HoldRecord, holdKey, holdNumbers, putHoldRecord, readOrDamage, setsWithHolds } from './hold-records.ts';
import { isSetId, manifestKey } from './layout.ts';
import { withSignal } from './read-bytes.ts';
import type { Repository } from './repository.ts';

/** Writers that get in each other's way more often than this are no accident. */
const mostTries = 20;

/** That retention may not delete a set, for a reason that a person gave. */
export interface Hold {
  readonly set: string;
  readonly reason: string;
  readonly by: string;
  /** RFC 3339, UTC. */
  readonly at: string;
}

export interface HoldWriteOptions extends HoldReadOptions {
  /** Ed25519 private key, PEM. */
  readonly signingKey: string;
  readonly reason: string;
  readonly by: string;
  readonly now: Date;
}

/** What the records of a set say. */
interface HoldState {
  /** The highest number; 0 without records. */
  readonly seq: number;
  readonly held?: Hold;
  /** The highest record can be believed. */
  readonly isSound: boolean;
  readonly isBeingDeleted: boolean;
}

/** All sets that are held, by id ascending. A set whose newest record cannot be believed is held: only a sound record releases one. */
export async function listHolds(repository: Repository, options: HoldReadOptions = {}): Promise<Hold[]> {
  const holds: Hold[] = [];
  for await (const set of setsWithHolds(repository, options)) {
    const { held } = await stateOf(repository, set, options);
    if (held !== undefined) holds.push(held);
  }
  return holds;
}

/** Undefined when the set is not held. */
export async function holdOf(repository: Repository, set: string, options: HoldReadOptions = {}): Promise<Hold | undefined> {
  return (await stateOf(repository, set, options)).held;
}

/** Keeps retention from deleting a set; holding twice keeps the first reason. BACKUP_NOT_FOUND when there is no such set, or no more. */
export async function hold(repository: Repository, set: string, options: HoldWriteOptions): Promise<Hold> {
  for (let attempt = 1; attempt <= mostTries; attempt++) {
    if (!(await exists(repository, set, options))) throw noSuchSet(repository, set);
    const { seq, held, isSound, isBeingDeleted } = await stateOf(repository, set, options);
    if (isBeingDeleted) {
      throw new HoldfastError('BACKUP_NOT_FOUND', `${set} cannot be held any more: retention is deleting it`, {
        hint: 'if that was interrupted, the next run of retention finishes it or lets it be held again',
      });
    }
    if (held !== undefined && isSound) return held;
    const record = nextRecord(repository, set, seq, options, { held: true });
    if (!(await putHoldRecord(repository, record, options))) continue;
    if (await exists(repository, set, options)) return holdFrom(record);
    // It was deleted to its last record since it was looked for.
    await repository.store.delete(holdKey(set, record.seq), withSignal(options));
    throw noSuchSet(repository, set);
  }
  throw tooManyWriters(set);
}

/** Lets retention have a set again. HOLD_NOT_FOUND when it is not held. */
export async function release(repository: Repository, set: string, options: HoldWriteOptions): Promise<void> {
  for (let attempt = 1; attempt <= mostTries; attempt++) {
    const { seq, held } = isSetId(set) ? await stateOf(repository, set, options) : nothing;
    if (held === undefined) throw new HoldfastError('HOLD_NOT_FOUND', `${JSON.stringify(set)} is not held`);
    if (await putHoldRecord(repository, nextRecord(repository, set, seq, options, { held: false }), options)) return;
  }
  throw tooManyWriters(set);
}

/**
 * From now on nobody can hold the set: to be called before anything of it is deleted, and again when that is taken up anew. Resolves with the
 * hold that came first, if there is one; then the set must stay.
 */
export async function beginDeletion(repository: Repository, set: string, options: HoldWriteOptions): Promise<Hold | undefined> {
  for (let attempt = 1; attempt <= mostTries; attempt++) {
    const { seq, held, isBeingDeleted } = await stateOf(repository, set, options);
    if (held !== undefined || isBeingDeleted) return held;
    if (await putHoldRecord(repository, nextRecord(repository, set, seq, options, { held: false, deleting: true }), options))
      return undefined;
  }
  throw tooManyWriters(set);
}

/** The set stays after all, and can be held again. Only for whoever deletes sets, and when nothing of this one was deleted. */
export async function giveUpDeletion(repository: Repository, set: string, options: HoldWriteOptions): Promise<void> {
  const { seq, isBeingDeleted } = await stateOf(repository, set, options);
  if (isBeingDeleted) await putHoldRecord(repository, nextRecord(repository, set, seq, options, { held: false }), options);
}

/** Was its deletion begun, and not finished? */
export async function isBeingDeleted(repository: Repository, set: string, options: HoldReadOptions = {}): Promise<boolean> {
  return (await stateOf(repository, set, options)).isBeingDeleted;
}

/** Ids of the sets whose deletion was begun, and not finished. */
export async function begunDeletions(repository: Repository, options: HoldReadOptions = {}): Promise<Set<string>> {
  const begun = new Set<string>();
  for await (const set of setsWithHolds(repository, options)) {
    if (await isBeingDeleted(repository, set, options)) begun.add(set);
  }
  return begun;
}

const nothing: HoldState = { seq: 0, isSound: true, isBeingDeleted: false };

async function stateOf(repository: Repository, set: string, options: HoldReadOptions): Promise<HoldState> {
  let seq = 0;
  let damage: string | undefined;
  for (const number of (await holdNumbers(repository, set, options)).reverse()) {
    const found = await readOrDamage(repository, set, number, options);
    if (found === undefined) continue;
    seq = Math.max(seq, number);
    if (typeof found === 'string') damage ??= found;
    else if (damage === undefined) return { seq, ...meaningOf(found), isSound: true };
    else if (found.held) return { seq, held: holdFrom(found), isSound: false, isBeingDeleted: false };
  }
  if (damage === undefined) return nothing;
  const held = { set, reason: `a record that cannot be believed: ${damage}`, by: 'unknown', at: new Date(0).toISOString() };
  return { seq, held, isSound: false, isBeingDeleted: false };
}

function meaningOf(record: HoldRecord): Pick<HoldState, 'held' | 'isBeingDeleted'> {
  return record.held ? { held: holdFrom(record), isBeingDeleted: false } : { isBeingDeleted: record.deleting === true };
}

function holdFrom({ set, reason, by, at }: HoldRecord): Hold {
  return { set, reason, by, at };
}

function nextRecord(
  { info }: Repository,
  set: string,
  seq: number,
  { reason, by, now }: HoldWriteOptions,
  change: Pick<HoldRecord, 'held' | 'deleting'>,
): HoldRecord {
  return { formatVersion: 1, repository: info.id, set, seq: seq + 1, ...change, reason, by, at: now.toISOString() };
}

async function exists({ store }: Repository, set: string, options: HoldReadOptions): Promise<boolean> {
  return isSetId(set) && (await store.head(manifestKey(set), withSignal(options))) !== undefined;
}

function noSuchSet({ store }: Repository, set: string): HoldfastError {
  return new HoldfastError('BACKUP_NOT_FOUND', `${store.url} holds no backup ${JSON.stringify(set)}`);
}

function tooManyWriters(set: string): HoldfastError {
  return new HoldfastError('STORE_ERROR', `the hold of ${set} could not be written: others wrote at the same time, again and again`);
}

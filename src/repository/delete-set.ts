import type { Manifest } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Fence } from '../domain/fence.ts';
import type { LedgerFact } from '../domain/ledger.ts';
import type { Actor } from '../domain/operation.ts';
import { eachConcurrently } from './concurrency.ts';
import { isDamage } from './damage.ts';
import { holdKey, holdNumbers } from './hold-records.ts';
import { beginDeletion, giveUpDeletion, isBeingDeleted } from './holds.ts';
import { manifestKey, setPrefix } from './layout.ts';
import { claimsNaming } from './leftovers.ts';
import { type CallOptions, readBytes, withSignal } from './read-bytes.ts';
import { maxManifestBytes, requireManifest } from './read-manifest.ts';
import type { Repository } from './repository.ts';
import { claimKeys } from './run-claim.ts';
import { parseLine, splitLines } from './signed-lines.ts';

const deletesAtOnce = 8;

export interface DeleteOptions extends CallOptions {
  /** Ed25519 private key, PEM. */
  readonly signingKey: string;
  /** Public keys (PEM) of which one must have signed; the repository's own unless given. */
  readonly trusted?: readonly string[] | undefined;
  readonly actor: Actor;
  readonly now: Date;
  /** Writes to the ledger. Called before anything is deleted, and again when a deletion that was interrupted early is taken up anew. */
  record(fact: LedgerFact): Promise<unknown>;
  /** Asked before each delete. */
  readonly fence?: Fence | undefined;
  /**
   * Why it must stay after all, such as what is being done with it. Asked once more when nobody can hold it any more: who begins to read it then
   * is told that it goes.
   */
  doing?(set: string): Promise<string | undefined>;
  /** Also where its manifest is damaged. */
  readonly damaged?: boolean;
}

interface Deletion {
  readonly repository: Repository;
  readonly id: string;
  readonly options: DeleteOptions;
}

/**
 * While there is a manifest, in this order: a claim that outlived it would bring the set back. Whatever interrupts them leaves a whole set,
 * which the next plan decides on anew.
 */
const whileVisible: readonly ((deletion: Deletion, claims: readonly string[]) => Promise<void>)[] = [deleteClaims, deleteManifest];

/**
 * When the manifest is gone, in this order. Data that the set shares with others comes after its own, and the hold records last: by them the
 * next run knows that this was a set, and goes on.
 */
const afterwards: readonly ((deletion: Deletion) => Promise<void>)[] = [deleteFiles, deleteHoldRecords];

/**
 * Deletes a set: what is visible is either all of it or nothing, wherever this is interrupted. Resolves with the reason, and leaves the set
 * alone, when somebody holds or reads it by now. NOT_LEADER, BACKUP_NOT_FOUND, BACKUP_CORRUPT, SIGNATURE_INVALID, STORE_ codes.
 */
export async function deleteSet(
  repository: Repository,
  id: string,
  reasons: readonly string[],
  options: DeleteOptions,
): Promise<string | undefined> {
  const { claims, facts } = await whatGoes(repository, id, options);
  options.fence?.check();
  const record = { ...options, reason: reasons.join('; '), by: options.actor.name };
  const held = await beginDeletion(repository, id, record);
  if (held !== undefined) return `held by ${held.by}: ${held.reason}`;
  const doing = await options.doing?.(id);
  if (doing !== undefined) {
    await giveUpDeletion(repository, id, { ...record, reason: doing });
    return doing;
  }
  // Somebody else who deletes sets may have seen no reason for it; from then on it can be held.
  if (!(await isBeingDeleted(repository, id, options))) return 'another run that deletes sets gave its deletion up';
  await options.record({ action: 'set.deleted', actor: options.actor, subject: id, details: { reasons, ...facts } });
  const deletion = { repository, id, options };
  for (const step of whileVisible) await step(deletion, claims);
  await finishDeletion(repository, id, options);
  return undefined;
}

/** The claims of a set, and what the ledger is told of it. */
async function whatGoes(
  repository: Repository,
  id: string,
  options: DeleteOptions,
): Promise<{ readonly claims: readonly string[]; readonly facts: Readonly<Record<string, unknown>> }> {
  try {
    const { manifest } = await requireManifest(repository, id, options);
    const { startedAt, tier, phase, objects } = manifest;
    return { claims: claimKeys(manifest), facts: { startedAt, tier, phase, objects } };
  } catch (thrown) {
    if (options.damaged !== true || !isDamage(thrown)) throw thrown;
    return { claims: await claimsNaming(repository, id, options), facts: { unreadable: thrown.message } };
  }
}

/** Goes on with a deletion whose manifest is gone. May be called again after any error. */
export async function finishDeletion(repository: Repository, id: string, options: DeleteOptions): Promise<void> {
  for (const step of afterwards) await step({ repository, id, options });
}

/** Deletes what a run left that never became a set. The ledger is told. STORE_EXISTS when it has become one. */
export async function deleteLeftover(repository: Repository, id: string, reason: string, options: DeleteOptions): Promise<void> {
  await options.record({ action: 'set.deleted', actor: options.actor, subject: id, details: { reasons: [reason], unfinished: true } });
  await deleteFiles({ repository, id, options });
}

async function remove({ repository, options }: Deletion, key: string): Promise<void> {
  options.signal?.throwIfAborted();
  options.fence?.check();
  await repository.store.delete(key, withSignal(options));
}

async function deleteClaims(deletion: Deletion, claims: readonly string[]): Promise<void> {
  const { repository, id, options } = deletion;
  for (const key of claims) {
    const claim = await readBytes(repository.store, key, maxManifestBytes, options);
    if (claim !== undefined && !isOfAnother(claim, key, id)) await remove(deletion, key);
  }
}

/** A damaged claim is nobody's: the set's own manifest says that it is the set's. */
function isOfAnother(claim: Uint8Array, key: string, id: string): boolean {
  try {
    return (parseLine(splitLines(claim, key).content, key) as Partial<Manifest>).id !== id;
  } catch {
    return false;
  }
}

async function deleteManifest(deletion: Deletion): Promise<void> {
  await remove(deletion, manifestKey(deletion.id));
}

async function deleteFiles(deletion: Deletion): Promise<void> {
  const { repository, id, options } = deletion;
  const keys: string[] = [];
  for await (const { key } of repository.store.list(setPrefix(id), withSignal(options))) keys.push(key);
  if (keys.includes(manifestKey(id))) throw new HoldfastError('STORE_EXISTS', `${id} is a set: its files stay while it has a manifest`);
  await eachConcurrently(keys, deletesAtOnce, key => remove(deletion, key));
}

async function deleteHoldRecords(deletion: Deletion): Promise<void> {
  const { repository, id, options } = deletion;
  // Lowest first: the highest one says that this is a deletion.
  for (const seq of await holdNumbers(repository, id, options)) await remove(deletion, holdKey(id, seq));
}

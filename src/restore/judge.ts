import type { IndexEntry, ItemFailure } from '../domain/backup-set.ts';
import { isObject, type JsonObject, parseJson } from '../domain/json.ts';
import { equalJson } from '../domain/json-compare.ts';
import { mappedPlace } from '../domain/namespace-mapping.ts';
import { kindName } from '../domain/resource.ts';
import type { RestoreAction } from '../domain/restore-plan.ts';
import { objectForm } from '../domain/restored-form.ts';
import { assess, type Decision, decide, type Wanted } from './assess.ts';
import { ownedPart } from './field-set.ts';
import type { Found } from './found.ts';
import type { Ground, RestoreInput } from './ground.ts';
import { fieldManagers } from './managers.ts';
import { allowedObject, onlyMade } from './needed.ts';
import { getLive } from './write.ts';

/** What becomes of one object of the set: a plan tells it, a restore does it. */
export type Judgement =
  /** It was not asked for, only needed, and is there. */
  | 'left'
  | { readonly excluded: string }
  /** It cannot be brought back; `together`: what it has in common with others of which the same is true. */
  | { readonly refused: ItemFailure; readonly together?: string }
  | Judged;

export interface Judged {
  readonly wanted: Wanted;
  readonly found: Found | undefined;
  readonly decision: Decision;
}

interface Place {
  readonly namespace: string;
  readonly name: string;
}

export interface JudgeContext {
  readonly input: Pick<RestoreInput, 'cluster' | 'options' | 'signal'>;
  readonly ground: Ground;
  /** Why a claim must not be created. */
  readonly refusal: (entry: Pick<IndexEntry, 'group' | 'resource'>, place: Place) => ItemFailure | undefined;
}

/**
 * Says it for the cluster as `ground` knows it, and remembers of owners that they will not come. Writes nothing. What a plan and a restore do
 * with the answer is all that they do differently.
 */
export async function judge(context: JudgeContext, entry: IndexEntry, json: string): Promise<Judgement> {
  const { input, ground } = context;
  const { owners, scope, live, assessing } = ground;
  const place = mappedPlace(input.options.namespaceMapping, entry);
  const found = live.get(entry, place.namespace, place.name);
  if (scope.isRequired(entry) && found !== undefined) return 'left';
  const target = ground.target(entry);
  if ('missing' in target) {
    owners.settle(entry.uid, 'failed');
    return { refused: { code: 'CLUSTER_NOT_FOUND', message: target.missing }, together: kindName(entry) };
  }
  const refused = refusalOf(context, entry, place);
  if (refused !== undefined) {
    owners.settle(entry.uid, 'failed');
    return refused;
  }
  const allowed = await allowedObject(entry, json, input);
  const assessed = await assess(target.kind, entry, allowed.json, assessing);
  if ('excluded' in assessed) {
    owners.settle(entry.uid, 'none');
    return assessed;
  }
  const wanted = scope.isRequired(entry) ? onlyMade(assessed, allowed.notes) : assessed;
  return { wanted, found, decision: await decideWith(wanted, found, input) };
}

function refusalOf(
  { ground, refusal }: JudgeContext,
  entry: IndexEntry,
  place: Place,
): Extract<Judgement, { refused: unknown }> | undefined {
  const namespace = place.namespace === '' && kindName(entry) === 'namespaces' ? place.name : place.namespace;
  const why = ground.blocked.get(namespace);
  if (why !== undefined) return { refused: { code: 'CLUSTER_CONFLICT', message: why }, together: `namespaces ${namespace}` };
  const refused = refusal(entry, place);
  return refused && { refused };
}

/** As `decide`; an object that an interrupted apply has left half-done is told from one that differs by a look at the whole of it. */
export async function decideWith(
  wanted: Wanted,
  found: Found | undefined,
  { cluster, options, signal }: JudgeContext['input'],
): Promise<Decision> {
  const decision = decide(wanted, found, options);
  const { object: ownership } = wanted.ownership;
  if (decision.action !== 'skip-differs' || ownership.how !== 'apply' || found?.applier !== ownership.manager) return decision;
  const live = await getLive(wanted, { cluster, signal });
  return live !== undefined && isHalfApplied(wanted, live)
    ? { action: 'complete', reason: 'an earlier restore had not set it to its end' }
    : decision;
}

/** What the restore does otherwise than the set has it, where it does anything. */
export function notesOn(action: RestoreAction, { notes }: Wanted): readonly string[] {
  return action === 'skip-equal' || action === 'skip-differs' ? [] : notes;
}

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

import type { IndexEntry } from '../domain/backup-set.ts';
import { isObject, type JsonObject, parseJson } from '../domain/json.ts';
import { formDigests } from '../domain/live-record.ts';
import { mappedPlace } from '../domain/namespace-mapping.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import type { RestoreAction, RestoreOptions } from '../domain/restore-plan.ts';
import { workflowFinished } from '../domain/restore-policy.ts';
import { type ObjectForm, type RestoredFormOptions, restoredForm, type StatusPlace, statusPlace } from '../domain/restored-form.ts';
import type { Found } from './found.ts';
import { fieldManagers, type ObjectOwnership, ownershipOf, withUids } from './managers.ts';
import type { Owners } from './owners.ts';

/** One object of the set in the form that the target shall have. */
export interface Wanted {
  readonly kind: ResourceKind;
  /** On the target; the namespace is empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  readonly oldUid: string;
  /** Others wait for its UID. */
  readonly isOwner: boolean;
  /** Owners carry the UIDs of the target. */
  readonly form: ObjectForm;
  readonly status: StatusPlace;
  readonly ownership: ObjectOwnership;
  /** What the restore does otherwise than the set has it. */
  readonly notes: readonly string[];
  /** References as in the set, where one has to be added later. */
  readonly laterOwners: readonly JsonObject[];
  /** Its owner could not be restored. */
  readonly failedOwner?: string;
  /** Going on from the state in the set could repeat what was done since. */
  readonly unfinishedRun: boolean;
  /** It was not asked for, only needed: one that is there stays as it is, also one that has appeared meanwhile. */
  readonly onlyMade?: true;
}

export interface AssessContext {
  readonly options: RestoreOptions;
  readonly owners: Owners;
  /** The moment of the restore: what is past its time to live then, is left out. */
  readonly now: Date;
}

/** Turns an object of the set into what the target shall have, or says why it is left out. */
export async function assess(
  kind: ResourceKind,
  entry: IndexEntry,
  json: string,
  context: AssessContext,
): Promise<Wanted | { readonly excluded: string }> {
  const object = parseJson(json);
  if (!isObject(object)) return { excluded: 'is no object' };
  const { options, owners } = context;
  const managers = fieldManagers(object);
  const unfinishedRun = kindName(kind) === 'workflows.argoproj.io' && !workflowFinished(object);
  const form = restoredForm(kind, object, formOptions(options, context.now));
  if ('excluded' in form) return form;
  const place = statusPlace(kind);
  const linked = await owners.relink(form.owners, entry.namespace);
  return {
    kind,
    ...mappedPlace(options.namespaceMapping, entry),
    oldUid: entry.uid,
    isOwner: owners.isOwner(entry.uid),
    form: { main: form.main, status: form.status, owners: linked.owners },
    status: place,
    ownership: ownershipOf(withUids(managers, linked.uids), kind, place === 'subresource' && form.status !== undefined),
    notes: [
      ...form.notes,
      ...linked.dropped.map(owner => `its owner ${owner} is neither in the restore nor on the target: the reference is left out`),
    ],
    laterOwners: linked.later > 0 ? form.owners : [],
    ...(linked.failed === undefined ? {} : { failedOwner: linked.failed }),
    unfinishedRun,
  };
}

export function formOptions(options: RestoreOptions, now: Date): RestoredFormOptions {
  const { namespaceMapping: mapping, storageClasses = {}, volumeSizes = {} } = options;
  return { mapping, storageClasses, volumeSizes, now, ...ownedOptions(options) };
}

export function ownedOptions(options: RestoreOptions): { readonly ignoreNodePorts: boolean } {
  return { ignoreNodePorts: options.nodePorts === 'reassign' };
}

export interface Decision {
  readonly action: RestoreAction;
  readonly reason?: string;
}

/** Deleting these would take others, or data, along with them. */
const neverRecreated: Readonly<Record<string, string>> = {
  namespaces: 'deleting a namespace deletes everything in it',
  'customresourcedefinitions.apiextensions.k8s.io': 'deleting a definition deletes all its objects',
  persistentvolumeclaims: 'deleting a claim deletes its data',
  persistentvolumes: 'deleting a volume can delete its data',
};

/** Pure: what to do with an object, given what the target has under its name. */
export function decide(wanted: Wanted, found: Found | undefined, options: Pick<RestoreOptions, 'existing'>): Decision {
  if (found === undefined) {
    if (wanted.failedOwner !== undefined) return { action: 'fail', reason: `its owner ${wanted.failedOwner} could not be restored` };
    return { action: 'create' };
  }
  if (found.deleting) return { action: 'fail', reason: 'the target is deleting an object of that name' };
  if (wanted.onlyMade === true) return leaveNeeded(wanted, found);
  const pending = unfinishedPart(wanted, found);
  if (pending !== undefined) return { action: 'complete', reason: pending };
  const digests = formDigests(wanted.form);
  const ownersEqual = wanted.laterOwners.length > 0 || digests.owners === found.owners;
  if (digests.main === found.main && ownersEqual && (wanted.status !== 'body' || digests.status === found.status))
    return { action: 'skip-equal' };
  if (found.pristine) return { action: 'adopt', reason: 'made by the cluster itself, without content' };
  return byPolicy(wanted, found, options);
}

/** Whatever the policy: who asked has said nothing of it, and need not have the right to change it. */
function leaveNeeded(wanted: Wanted, found: Found): Decision {
  if (formDigests(wanted.form).main !== found.main)
    return { action: 'skip-differs', reason: 'not selected, only needed: it stays as it is' };
  return found.unfinished
    ? { action: 'complete', reason: 'an earlier restore had not given its fields back to their managers' }
    : { action: 'skip-equal' };
}

function byPolicy(wanted: Wanted, found: Found, options: Pick<RestoreOptions, 'existing'>): Decision {
  if (options.existing === 'skip') return { action: 'skip-differs' };
  if (found.selfKept) return { action: 'skip-differs', reason: 'kept up to date by the API server itself' };
  if (wanted.unfinishedRun) return { action: 'skip-differs', reason: 'going back to a half-done run would repeat what was done since' };
  const forbidden = neverRecreated[kindName(wanted.kind)];
  if (options.existing === 'update') return { action: 'update' };
  return forbidden === undefined ? { action: 'recreate' } : { action: 'update', reason: `not recreated: ${forbidden}` };
}

/** What an interrupted restore has left to do; such objects are told by who wrote them, and by parts that no one else would leave out. */
function unfinishedPart(wanted: Wanted, found: Found): string | undefined {
  if (found.marked) return 'an earlier restore had not set it to its end';
  const digests = formDigests(wanted.form);
  if (digests.main !== found.main) return undefined;
  if (found.unfinished) return 'an earlier restore had not given its fields back to their managers';
  if (wanted.status === 'subresource' && digests.status !== '' && found.status === '') return 'its status is missing';
  if (digests.owners !== '' && found.owners === '') return 'its owner reference is missing';
  return undefined;
}

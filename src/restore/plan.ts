import { createHash } from 'node:crypto';
import type { IndexEntry, ItemFailure } from '../domain/backup-set.ts';
import { isObject, parseJson } from '../domain/json.ts';
import { differences } from '../domain/json-compare.ts';
import { mappedPlace } from '../domain/namespace-mapping.ts';
import { isSecretKind, kindName } from '../domain/resource.ts';
import {
  type FieldDifference,
  noActions,
  type PlannedObject,
  type RestoreAction,
  type RestorePlan,
  type RestoreProblem,
  type RestoreStep,
  restoreSteps,
} from '../domain/restore-plan.ts';
import { objectForm } from '../domain/restored-form.ts';
import type { PlannedVolume } from '../domain/volume-restore.ts';
import { claims as claimKind } from '../volumes/kinds.ts';
import { ownedOptions, type Wanted } from './assess.ts';
import { Feed } from './feed.ts';
import { type Ground, type RestoreInput, surveyGround } from './ground.ts';
import { type JudgeContext, judge, notesOn } from './judge.ts';
import { Lanes } from './lanes.ts';
import { bareNamespace, namespacesLeaving, namespacesToMake } from './namespaces.ts';
import { stepOfRank } from './order.ts';
import { defaultConcurrency } from './run.ts';
import { volumesToCome } from './volumes/fixed-volumes.ts';
import { classesToCome, readStorageClasses } from './volumes/survey.ts';
import { planVolumes, problemOf } from './volumes/volumes.ts';

type StepObjects = Map<RestoreStep, PlannedObject[]>;
type Problems = Map<string, RestoreProblem>;

/** Says what a restore would do, object by object, and how the objects differ that are there already. Writes nothing. */
export async function planRestore(input: RestoreInput): Promise<RestorePlan> {
  const ground = await surveyGround(input);
  const { scope } = ground;
  const objects: StepObjects = new Map();
  const problems: Problems = new Map();
  forgetLeaving(input, ground, problems);
  for (const { name } of namespacesToMake(input, ground)) push(objects, 'namespaces', madeNamespace(name));
  const volumes = await volumesOf(input, ground);
  const context: JudgeContext = { input, ground, refusal: refusals(volumes) };
  const feed = new Feed(input.reader, scope, input.signal);
  const lanes = new Lanes({ most: input.options.concurrency ?? defaultConcurrency, clock: () => performance.now() });
  let planned = 0;
  for (const [rank, count] of scope.ranks) {
    await feed.rank(rank, count, (entry, json) =>
      lanes.start(async () => {
        const object = await planObject(context, entry, json, problems);
        if (object !== undefined) push(objects, stepOfRank(rank), object);
        input.progress({ phase: 'plan', objects: ++planned, totalObjects: scope.objects });
      }),
    );
    await lanes.drain();
  }
  return assemble(input, objects, [...problems.values()], volumes);
}

/** A restore waits until they are gone, and all in them; a plan goes by that. */
function forgetLeaving(input: RestoreInput, ground: Ground, problems: Problems): void {
  for (const name of namespacesLeaving(input, ground)) {
    const item = `namespaces ${name}`;
    const message = 'the target is deleting it: the restore waits for that before it begins';
    problems.set(item, { severity: 'warning', item, code: 'CLUSTER_CONFLICT', message });
    ground.live.forgetNamespace(name);
  }
}

async function volumesOf(input: RestoreInput, ground: Ground): Promise<readonly PlannedVolume[]> {
  const { cluster, signal, reader } = input;
  if (reader.manifest.volumes.length === 0) return [];
  const classes = await readStorageClasses(cluster, signal, await classesToCome(input, ground));
  const toCome = { classes, volumes: () => volumesToCome(input, ground) };
  const planned = (await planVolumes(input, ground, toCome)).map(({ plan }) => plan);
  return planned.sort((a, b) => (`${a.namespace}/${a.claim}` < `${b.namespace}/${b.claim}` ? -1 : 1));
}

function refusals(volumes: readonly PlannedVolume[]): JudgeContext['refusal'] {
  const refused = new Map(volumes.map(plan => [`${plan.namespace}/${plan.claim}`, problemOf(plan)]));
  return (entry, place) => (kindName(entry) === kindName(claimKind) ? refused.get(`${place.namespace}/${place.name}`) : undefined);
}

function push(objects: StepObjects, step: RestoreStep, object: PlannedObject): void {
  const known = objects.get(step);
  if (known === undefined) objects.set(step, [object]);
  else known.push(object);
}

function madeNamespace(name: string): PlannedObject {
  return { kind: 'namespaces', namespace: '', name, action: 'create', reason: bareNamespace };
}

const differing: ReadonlySet<RestoreAction> = new Set(['skip-differs', 'update', 'recreate', 'adopt', 'complete']);

async function planObject(context: JudgeContext, entry: IndexEntry, json: string, problems: Problems): Promise<PlannedObject | undefined> {
  const { input, ground } = context;
  const of = { kind: kindName(entry), ...mappedPlace(input.options.namespaceMapping, entry) };
  const judgement = await judge(context, entry, json);
  if (judgement === 'left') return undefined;
  if ('excluded' in judgement) return { ...of, action: 'exclude', reason: judgement.excluded };
  if ('refused' in judgement) {
    const { refused, together } = judgement;
    if (together !== undefined) countTogether(problems, together, refused);
    return { ...of, action: 'fail', reason: refused.message };
  }
  const { wanted, decision } = judgement;
  const { action, reason } = decision;
  if (action === 'fail') ground.owners.settle(entry.uid, 'failed');
  if (action === 'create' || action === 'recreate') ground.owners.settle(entry.uid, { uid: uidToCome });
  const reasons = [reason, ...notesOn(action, wanted)].filter(text => text !== undefined);
  if (ground.scope.isRequired(entry)) reasons.push('not selected, but needed by objects that are');
  const told = { ...of, action, ...(reasons.length > 0 && { reason: reasons.join('; ') }) };
  return differing.has(action) ? { ...told, differences: await differencesOf(input, wanted) } : told;
}

/** Stands in references for the UID that an owner will have. */
const uidToCome = '(to come)';

function countTogether(problems: Problems, item: string, { code, message }: ItemFailure): void {
  const { objects = 0 } = problems.get(item) ?? {};
  problems.set(item, { severity: 'failed', item, code, message, objects: objects + 1 });
}

async function differencesOf({ cluster, options, signal }: JudgeContext['input'], wanted: Wanted): Promise<readonly FieldDifference[]> {
  const text = await cluster.get(wanted.kind, wanted.namespace, wanted.name, { signal });
  const object = text === undefined ? undefined : parseJson(text);
  if (!isObject(object)) return [];
  const live = objectForm(wanted.kind, object, ownedOptions(options));
  const hide = isSecretKind(wanted.kind);
  const compared = [
    ...differences(wanted.form.main, live.main, { hide }),
    ...differences({ metadata: { ownerReferences: [...wanted.form.owners] } }, { metadata: { ownerReferences: [...live.owners] } }),
  ];
  if (wanted.form.status === undefined || wanted.status === 'none') return compared;
  return [...compared, ...differences({ status: wanted.form.status }, { ...(live.status !== undefined && { status: live.status }) })];
}

function assemble(
  { reader, cluster, options }: RestoreInput,
  objects: StepObjects,
  problems: readonly RestoreProblem[],
  volumes: readonly PlannedVolume[],
): RestorePlan {
  const hash = createHash('sha256').update(`${reader.manifest.id} ${options.existing}\n`);
  const totals = noActions();
  const steps = restoreSteps.flatMap(step => {
    const planned = (objects.get(step) ?? []).sort(byName);
    const counts = noActions();
    for (const { kind, namespace, name, action } of planned) {
      counts[action]++;
      totals[action]++;
      hash.update(`${step} ${kind} ${namespace} ${name} ${action}\n`);
    }
    return planned.length === 0 ? [] : [{ step, counts, objects: planned }];
  });
  for (const { namespace, claim, action, source, volume = '' } of volumes) {
    hash.update(`volumes ${namespace} ${claim} ${action} ${source}${volume === '' ? '' : ` ${volume}`}\n`);
  }
  const { existing, namespaceMapping } = options;
  return {
    backup: reader.manifest.id,
    server: cluster.server,
    existing,
    namespaceMapping,
    steps,
    totals,
    volumes,
    problems,
    digest: hash.digest('hex'),
  };
}

function byName(a: PlannedObject, b: PlannedObject): number {
  const key = (object: PlannedObject) => `${object.kind}\u0000${object.namespace}\u0000${object.name}`;
  return key(a) < key(b) ? -1 : 1;
}

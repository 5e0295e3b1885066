import { createHash } from 'node:crypto';
import type { IndexEntry } from '../domain/backup-set.ts';
import { isObject, parseJson } from '../domain/json.ts';
import { differences } from '../domain/json-compare.ts';
import { mappedNamespace, mappedPlace } from '../domain/namespace-mapping.ts';
import { isSecretKind, kindName } from '../domain/resource.ts';
import {
  type FieldDifference,
  noActions,
  type PlannedObject,
  type RestorePlan,
  type RestoreProblem,
  type RestoreStep,
  restoreSteps,
} from '../domain/restore-plan.ts';
import { objectForm } from '../domain/restored-form.ts';
import type { PlannedVolume } from '../domain/volume-restore.ts';
import { claims as claimKind } from '../volumes/kinds.ts';
import { assess, decide, ownedOptions, type Wanted } from './assess.ts';
import { Feed } from './feed.ts';
import { type Ground, type RestoreInput, surveyGround } from './ground.ts';
import { Lanes } from './lanes.ts';
import { stepOfRank } from './order.ts';
import { defaultConcurrency } from './run.ts';
import { volumesToCome } from './volumes/fixed-volumes.ts';
import { classesToCome, readStorageClasses } from './volumes/survey.ts';
import { planVolumes } from './volumes/volumes.ts';

type StepObjects = Map<RestoreStep, PlannedObject[]>;

/** Says what a restore would do, object by object, and how the objects differ that are there already. Writes nothing. */
export async function planRestore(input: RestoreInput): Promise<RestorePlan> {
  const ground = await surveyGround(input);
  const { scope } = ground;
  const feed = new Feed(input.reader, scope, input.signal);
  const lanes = new Lanes({ most: input.options.concurrency ?? defaultConcurrency, clock: () => performance.now() });
  const objects: StepObjects = new Map();
  const problems = new Map<string, RestoreProblem>();
  let planned = 0;
  for (const name of scope.unknownNamespaces) addNamespace(objects, input, ground, name);
  for (const [rank, count] of scope.ranks) {
    await feed.rank(rank, count, (entry, json) =>
      lanes.start(async () => {
        const object = await planObject(input, ground, entry, json, problems);
        if (object !== undefined) push(objects, stepOfRank(rank), object);
        input.progress({ phase: 'plan', objects: ++planned, totalObjects: scope.objects });
      }),
    );
    await lanes.drain();
  }
  const volumes = await volumesOf(input, ground);
  refuse(objects, volumes);
  return assemble(input, objects, [...problems.values()], volumes);
}

async function volumesOf(input: RestoreInput, ground: Ground): Promise<readonly PlannedVolume[]> {
  const { cluster, signal, reader } = input;
  if (reader.manifest.volumes.length === 0) return [];
  const classes = await readStorageClasses(cluster, signal, await classesToCome(input, ground));
  const toCome = { classes, volumes: () => volumesToCome(input, ground) };
  const planned = (await planVolumes(input, ground, toCome)).map(({ plan }) => plan);
  return planned.sort((a, b) => (`${a.namespace}/${a.claim}` < `${b.namespace}/${b.claim}` ? -1 : 1));
}

/** A claim whose data cannot be brought back is not created. */
function refuse(objects: StepObjects, volumes: readonly PlannedVolume[]): void {
  const refused = new Map(volumes.filter(({ action }) => action === 'fail').map(plan => [`${plan.namespace}/${plan.claim}`, plan]));
  if (refused.size === 0) return;
  for (const planned of objects.values()) {
    for (const [i, object] of planned.entries()) {
      const plan = object.kind === kindName(claimKind) ? refused.get(`${object.namespace}/${object.name}`) : undefined;
      if (plan !== undefined) planned[i] = { ...object, action: 'fail', reason: plan.reason };
    }
  }
}

function push(objects: StepObjects, step: RestoreStep, object: PlannedObject): void {
  const known = objects.get(step);
  if (known === undefined) objects.set(step, [object]);
  else known.push(object);
}

function addNamespace(objects: StepObjects, { options }: RestoreInput, { live }: Ground, unknown: string): void {
  const name = mappedNamespace(options.namespaceMapping, unknown);
  const kind = { group: '', resource: 'namespaces' };
  if (live.get(kind, '', name) !== undefined) return;
  push(objects, 'namespaces', {
    kind: 'namespaces',
    namespace: '',
    name,
    action: 'create',
    reason: 'not in the backup, but objects in it are',
  });
}

async function planObject(
  input: RestoreInput,
  ground: Ground,
  entry: IndexEntry,
  json: string,
  problems: Map<string, RestoreProblem>,
): Promise<PlannedObject | undefined> {
  const { options } = input;
  const place = mappedPlace(options.namespaceMapping, entry);
  const of = { kind: kindName(entry), ...place };
  const target = ground.target(entry);
  const found = ground.live.get(entry, place.namespace, place.name);
  if (ground.scope.isRequired(entry) && found !== undefined) return undefined;
  if ('missing' in target) {
    const { objects = 0 } = problems.get(of.kind) ?? {};
    problems.set(of.kind, { severity: 'failed', item: of.kind, code: 'CLUSTER_NOT_FOUND', message: target.missing, objects: objects + 1 });
    return { ...of, action: 'fail', reason: target.missing };
  }
  const wanted = await assess(target.kind, entry, json, ground.assessing);
  if ('excluded' in wanted) return { ...of, action: 'exclude', reason: wanted.excluded };
  const { action, reason } = decide(wanted, found, options);
  const reasons = [reason, ...(action === 'skip-equal' || action === 'skip-differs' ? [] : wanted.notes)].filter(
    text => text !== undefined,
  );
  if (ground.scope.isRequired(entry)) reasons.push('not selected, but needed by objects that are');
  const told = { ...of, action, ...(reasons.length > 0 && { reason: reasons.join('; ') }) };
  if (!['skip-differs', 'update', 'recreate', 'adopt', 'complete'].includes(action)) return told;
  return { ...told, differences: await differencesOf(input, wanted) };
}

async function differencesOf({ cluster, options, signal }: RestoreInput, wanted: Wanted): Promise<readonly FieldDifference[]> {
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

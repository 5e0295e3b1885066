import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { isObject, type JsonObject, parseJson, stringAt } from '../../src/domain/json.ts';
import { objectsIn } from '../../src/domain/live-record.ts';
import { kindName, type ResourceKind } from '../../src/domain/resource.ts';
import type { RestoreOptions, RestoreOutcome, RestorePlan } from '../../src/domain/restore-plan.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import type { ValidationReport } from '../../src/domain/validation.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { planRestore } from '../../src/restore/plan.ts';
import { runRestore } from '../../src/restore/run.ts';
import { runValidation } from '../../src/validate/run.ts';
import { waitFor } from '../cluster/wait.ts';
import { testRuntime } from './runtime.ts';

const usual: RestoreOptions = { selection: everything, namespaceMapping: {}, existing: 'skip', waitMs: 60_000 };

export function restore(
  reader: SetReader,
  cluster: ClusterApi,
  options: Partial<RestoreOptions> = {},
  signal = AbortSignal.timeout(150_000),
): Promise<RestoreOutcome> {
  return runRestore({ reader, cluster, options: { ...usual, ...options }, runtime: testRuntime, signal, progress: noProgress });
}

export function plan(reader: SetReader, cluster: ClusterApi, options: Partial<RestoreOptions> = {}): Promise<RestorePlan> {
  const signal = AbortSignal.timeout(150_000);
  return planRestore({ reader, cluster, options: { ...usual, ...options }, runtime: testRuntime, signal, progress: noProgress });
}

export function compareWith(reader: SetReader, cluster: ClusterApi, options: Partial<RestoreOptions> = {}): Promise<ValidationReport> {
  const { selection, namespaceMapping, storageClasses = {}, volumeSizes = {} } = { ...usual, ...options };
  const signal = AbortSignal.timeout(150_000);
  return runValidation({
    reader,
    cluster,
    selection,
    namespaceMapping,
    storageClasses,
    volumeSizes,
    platform: false,
    runtime: testRuntime,
    signal,
    progress: noProgress,
  });
}

/** What failed, for an assertion that shows it. */
export function failures(report: ValidationReport): unknown[] {
  return report.checks.filter(check => check.state === 'failed').flatMap(check => [check.name, check.message, ...check.findings]);
}

/** What a control plane writes by itself all the time. */
const restless = new Set(['events', 'events.events.k8s.io', 'leases.coordination.k8s.io']);

/** The resourceVersion of every object of the cluster, by kind, namespace, name and UID. */
export async function revisions(cluster: ClusterApi): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const { kinds } = await cluster.discover();
  for (const kind of kinds.filter(one => one.verbs.includes('list') && !restless.has(kindName(one)))) {
    await cluster.list(kind, batch => {
      for (const object of objectsIn(batch)) {
        const text = (field: string) => stringAt(object, 'metadata', field) ?? '';
        found.set(`${kindName(kind)} ${text('namespace')}/${text('name')} ${text('uid')}`, text('resourceVersion'));
      }
    });
  }
  return found;
}

/** The same once the controllers have nothing left to do: three looks, a second apart, show the same. */
export async function settledRevisions(cluster: ClusterApi): Promise<ReadonlyMap<string, string>> {
  let before = await revisions(cluster);
  let same = 0;
  return waitFor(
    'a cluster at rest',
    async () => {
      const now = await revisions(cluster);
      same = changed(before, now).length === 0 ? same + 1 : 0;
      before = now;
      return same === 2 ? now : undefined;
    },
    { timeoutMs: 120_000, intervalMs: 1_000 },
  );
}

/** What was written, made or deleted between two looks. */
export function changed(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(key => before.get(key) !== after.get(key));
}

export async function getObject(cluster: ClusterApi, kind: ResourceKind, namespace: string, name: string): Promise<JsonObject | undefined> {
  const text = await cluster.get(kind, namespace, name);
  const object = text === undefined ? undefined : parseJson(text);
  return isObject(object) ? object : undefined;
}

/** A kind as these tests need it, from `deployments.apps/v1 Deployment status`. */
export function kindOf(text: string, namespaced = true): ResourceKind {
  const [, resource = '', group = '', version = '', kind = '', rest = ''] = /^([a-z]+)(?:\.([^/]+))?\/(\S+) (\S+)\s*(.*)$/.exec(text) ?? [];
  return { group, version, resource, kind, namespaced, verbs: ['list'], subresources: rest === '' ? [] : rest.split(' ') };
}

import type { ClusterApi } from '../cluster/cluster-api.ts';
import { asHoldfastError } from '../domain/errors.ts';
import { at, isObject, type JsonObject, parseJson, stringAt } from '../domain/json.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { ValidationCheck } from '../domain/validation.ts';

/** Something small that is really run, and what must become of it. */
export interface PlatformCheck {
  /** `platform/workflow` */
  readonly name: string;
  /** The object to create; its name is made unique, its namespace is the first of `namespaces` that exists. */
  readonly manifest: JsonObject;
  readonly group: string;
  readonly resource: string;
  readonly namespaces: readonly string[];
  /** It was asked for: a kind or namespace that is not there fails it, instead of leaving it out. */
  readonly required?: boolean;
  /** Path of the field that tells how far it is. */
  readonly field: readonly string[];
  readonly succeeded: readonly string[];
  readonly failed: readonly string[];
  /** Bound of the wait, ms. */
  readonly timeoutMs: number;
}

const marking = { 'holdfast.dev/check': 'true' };

/** Two steps that need no pod, so that they run where no node is there yet: it proves that the controller acts on what it is given. */
export const workflowCheck: PlatformCheck = {
  name: 'platform/workflow',
  group: 'argoproj.io',
  resource: 'workflows',
  namespaces: ['agent-platform', 'argo', 'default'],
  manifest: {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Workflow',
    spec: {
      entrypoint: 'main',
      activeDeadlineSeconds: 120,
      templates: [
        { name: 'main', steps: [[{ name: 'first', template: 'moment' }], [{ name: 'second', template: 'moment' }]] },
        { name: 'moment', suspend: { duration: '1' } },
      ],
    },
  },
  field: ['status', 'phase'],
  succeeded: ['Succeeded'],
  failed: ['Failed', 'Error'],
  timeoutMs: 60_000,
};

/** A CodeRun that its controller must take up. */
export const codeRunCheck: PlatformCheck = {
  name: 'platform/coderun',
  group: 'agents.platform',
  resource: 'coderuns',
  namespaces: ['agent-platform', 'default'],
  manifest: {
    apiVersion: 'agents.platform/v1',
    kind: 'CodeRun',
    spec: { taskId: 1, githubApp: '5DLabs-Rex', repository: 'holdfast/check' },
  },
  field: ['status', 'phase'],
  succeeded: ['Succeeded'],
  failed: ['Failed'],
  timeoutMs: 60_000,
};

export interface PlatformInput {
  readonly cluster: ClusterApi;
  readonly checks: readonly PlatformCheck[];
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** Creates each object, waits until its controller brought it to its end, and deletes it. A kind that is not served is skipped and named. */
export async function validatePlatform(input: PlatformInput): Promise<ValidationCheck[]> {
  const { kinds } = await input.cluster.discover({ signal: input.signal });
  return Promise.all(input.checks.map(check => runCheck(input, check, kinds)));
}

async function runCheck(input: PlatformInput, check: PlatformCheck, kinds: readonly ResourceKind[]): Promise<ValidationCheck> {
  const began = performance.now();
  const result = (state: ValidationCheck['state'], message: string): ValidationCheck => ({
    name: check.name,
    state,
    message,
    objects: state === 'skipped' ? 0 : 1,
    durationMs: Math.round(performance.now() - began),
    findings: state === 'failed' ? [{ item: kindName(check), message }] : [],
    findingsOmitted: 0,
  });
  const missing = check.required === true ? 'failed' : 'skipped';
  const kind = kinds.find(one => one.group === check.group && one.kind === check.manifest['kind']);
  if (kind === undefined) return result(missing, `the cluster does not serve ${kindName(check)}`);
  try {
    const namespace = await firstNamespace(input, check, kinds);
    if (namespace === undefined) return result(missing, `none of the namespaces ${check.namespaces.join(', ')} exists`);
    const { passed, message } = await tryOne(input, check, kind, namespace);
    return result(passed ? 'passed' : 'failed', message);
  } catch (thrown) {
    input.signal.throwIfAborted();
    return result('failed', asHoldfastError(thrown).message);
  }
}

async function firstNamespace(input: PlatformInput, check: PlatformCheck, kinds: readonly ResourceKind[]): Promise<string | undefined> {
  const namespaces = kinds.find(kind => kindName(kind) === 'namespaces');
  if (namespaces === undefined) return undefined;
  for (const name of check.namespaces) {
    if ((await input.cluster.get(namespaces, '', name, { signal: input.signal })) !== undefined) return name;
  }
  return undefined;
}

async function tryOne(
  input: PlatformInput,
  check: PlatformCheck,
  kind: ResourceKind,
  namespace: string,
): Promise<{ passed: boolean; message: string }> {
  const { cluster, runtime, signal } = input;
  const name = `holdfast-check-${Buffer.from(runtime.random(4)).toString('hex')}`;
  const { generateName: _, ...given } = isObject(check.manifest['metadata']) ? check.manifest['metadata'] : {};
  const labels = { ...(isObject(given['labels']) ? given['labels'] : {}), ...marking };
  const metadata = { ...given, labels, name, namespace };
  const began = runtime.now().getTime();
  try {
    await cluster.create(kind, namespace, JSON.stringify({ ...check.manifest, metadata }), { signal, fieldManager: 'holdfast-check' });
    let state = '';
    while (runtime.now().getTime() - began < check.timeoutMs) {
      const text = await cluster.get(kind, namespace, name, { signal });
      if (text === undefined) return { passed: false, message: `${kindName(kind)} ${namespace}/${name} was deleted by someone else` };
      const object = parseJson(text);
      state = stringAt(object, ...check.field) ?? '';
      const seconds = ((runtime.now().getTime() - began) / 1000).toFixed(1);
      if (check.succeeded.includes(state)) return { passed: true, message: `${namespace}/${name} was ${state} after ${seconds} s` };
      if (check.failed.includes(state)) {
        const why = stringAt(at(object, 'status'), 'message') ?? 'its status has no message';
        return { passed: false, message: `${namespace}/${name} was ${state} after ${seconds} s: ${why}` };
      }
      await runtime.sleep(200, signal);
    }
    const stuck = state === '' ? 'no controller took it up' : `it stayed ${state}`;
    return { passed: false, message: `${namespace}/${name}: ${stuck} for ${check.timeoutMs / 1000} s` };
  } finally {
    // Also after an abort: what was made for the check does not stay.
    await cluster.delete(kind, namespace, name, { signal: AbortSignal.timeout(10_000) }).catch(() => {});
  }
}

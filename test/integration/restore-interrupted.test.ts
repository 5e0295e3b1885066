import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import { at, type Json, type JsonObject, parseJson, stringAt } from '../../src/domain/json.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import { everything } from '../../src/domain/selection.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';
import { changed, compareWith, failures, getObject, kindOf, restore, revisions, settledRevisions } from '../helpers/restore.ts';

const namespaces = kindOf('namespaces/v1 Namespace', false);
const configMaps = kindOf('configmaps/v1 ConfigMap');
const jobs = kindOf('jobs.batch/v1 Job status');
const deployments = kindOf('deployments.apps/v1 Deployment status');
const pods = kindOf('pods/v1 Pod');
const accounts = kindOf('serviceaccounts/v1 ServiceAccount');
const definitions = kindOf('customresourcedefinitions.apiextensions.k8s.io/v1 CustomResourceDefinition', false);
const widgets = kindOf('widgets.example.com/v1 Widget status');

const selection = { ...everything, includeNamespaces: ['lab'] };
const container = { name: 'c', image: 'example/none:1' };
const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [container] } };
const ended = {
  lastProbeTime: '2026-11-20T10:05:00Z',
  lastTransitionTime: '2026-11-20T10:05:00Z',
  status: 'True',
  reason: 'CompletionsReached',
};

/** One object of every sort that takes more than one write, on one cluster with a real controller manager. */
describe('an interrupted restore', () => {
  let cluster: TestCluster;
  let api: ClusterApi;
  let location: OpenLocation;
  let set: SetReader;

  beforeAll(async () => {
    cluster = await startCluster({ name: 'restore-interrupted', unsafeNoFsync: true });
    api = await connect(cluster);
    location = await openTestRepository();
    await makeLab();
    set = await reader(location, await completeBackup(location, api, selection));
  });
  afterAll(async () => {
    await api?.close();
    await cluster?.destroy();
    await location?.remove();
  });

  async function make(kind: ResourceKind, object: JsonObject, fieldManager = 'author'): Promise<JsonObject> {
    const { group, version } = kind;
    const whole = { apiVersion: group === '' ? version : `${group}/${version}`, kind: kind.kind, ...object };
    const namespace = stringAt(object, 'metadata', 'namespace') ?? '';
    return parseJson(await api.create(kind, namespace, JSON.stringify(whole), { fieldManager })) as JsonObject;
  }

  async function apply(kind: ResourceKind, object: JsonObject, fieldManager: string): Promise<void> {
    const { group, version } = kind;
    const body = JSON.stringify({ apiVersion: group === '' ? version : `${group}/${version}`, kind: kind.kind, ...object });
    const [namespace, name] = [stringAt(object, 'metadata', 'namespace') ?? '', stringAt(object, 'metadata', 'name') ?? ''];
    await api.patch(kind, namespace, name, { type: 'apply', body, force: true }, { fieldManager });
  }

  async function makeLab(): Promise<void> {
    await make(definitions, {
      metadata: { name: 'widgets.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { kind: 'Widget', plural: 'widgets', singular: 'widget' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            subresources: { status: {} },
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        ],
      },
    });
    await make(namespaces, { metadata: { name: 'lab' } });
    const meta = (name: string, more: JsonObject = {}) => ({ name, namespace: 'lab', ...more });
    await make(configMaps, { metadata: meta('plain'), data: { a: '1' } });
    await apply(configMaps, { metadata: meta('applied'), data: { a: '1' } }, 'gitops');
    await apply(configMaps, { metadata: meta('shared'), data: { a: '1' } }, 'gitops');
    await apply(configMaps, { metadata: meta('shared'), data: { b: '2' } }, 'team');
    await api.patch(configMaps, 'lab', 'shared', { type: 'merge', body: '{"data":{"c":"3"}}' }, { fieldManager: 'hand' });
    await waitFor('widgets served', async () => (await api.discover()).kinds.some(kind => kind.resource === 'widgets'), {
      timeoutMs: 60_000,
    });
    const widget = await make(widgets, { metadata: meta('w'), spec: { size: 1 } });
    await api.update(widgets, 'lab', 'w', JSON.stringify({ ...widget, status: { phase: 'Done' } }), {
      subresource: 'status',
      fieldManager: 'operator',
    });
    const owner = {
      apiVersion: 'example.com/v1',
      kind: 'Widget',
      name: 'w',
      uid: stringAt(widget, 'metadata', 'uid') ?? '',
      controller: true,
    };
    await apply(configMaps, { metadata: meta('owned', { ownerReferences: [owner] }), data: { a: '1' } }, 'operator');
    await make(deployments, { metadata: meta('web'), spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template } });
    await waitFor(
      'a replica set',
      async () => at(await getObject(api, deployments, 'lab', 'web'), 'status', 'observedGeneration') !== undefined,
      {
        timeoutMs: 60_000,
      },
    );
    const job = await make(jobs, {
      metadata: meta('done'),
      spec: { suspend: true, template: { spec: { ...template.spec, restartPolicy: 'Never' } } },
    });
    await finish(job);
    await make(jobs, { metadata: meta('running'), spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } } });
    await settledRevisions(api);
  }

  async function finish(job: JsonObject): Promise<void> {
    const status = {
      startTime: '2026-11-20T10:00:00Z',
      completionTime: '2026-11-20T10:05:00Z',
      succeeded: 1,
      conditions: [
        { ...ended, type: 'SuccessCriteriaMet' },
        { ...ended, type: 'Complete' },
      ],
    };
    const name = stringAt(job, 'metadata', 'name') ?? '';
    await api.patch(jobs, 'lab', name, { type: 'merge', body: JSON.stringify({ status }), subresource: 'status' });
    await api.patch(jobs, 'lab', name, { type: 'merge', body: '{"spec":{"suspend":false}}' });
  }

  /** A client that is gone after so many writes: the last one was carried out, and nobody learned of it. */
  function mortal(writes: number): { readonly api: ClusterApi; readonly signal: AbortSignal; readonly left: () => number } {
    const death = new AbortController();
    let left = writes;
    const write =
      <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) =>
      async (...args: Args): Promise<T> => {
        death.signal.throwIfAborted();
        // One that is refused is one as well: a controller may make an object of the namespace first.
        const answer = call(...args);
        await answer.catch(() => {});
        if (--left <= 0) death.abort(new HoldfastError('INTERRUPTED', 'killed'));
        death.signal.throwIfAborted();
        return answer;
      };
    const { create, update, patch } = api;
    return {
      api: { ...api, create: write(create), update: write(update), patch: write(patch), delete: write(api.delete) },
      signal: death.signal,
      left: () => left,
    };
  }

  async function podsOfJobs(namespace: string): Promise<Json[]> {
    const found: Json[] = [];
    await api.list(
      pods,
      ({ buffer, ends }) => {
        let start = 0;
        for (const end of ends) {
          const pod = parseJson(Buffer.from(buffer.subarray(start, end)).toString());
          start = end;
          const owners = at(pod, 'metadata', 'ownerReferences');
          if (Array.isArray(owners) && owners.some(one => stringAt(one, 'kind') === 'Job')) found.push(at(pod, 'metadata', 'name') ?? null);
        }
      },
      { namespace },
    );
    return found;
  }

  it('after any number of writes is completed by the next run, and the one after that writes nothing', async () => {
    const whole = await restore(set, api, { selection, namespaceMapping: { lab: 'lab-whole' }, concurrency: 1 });
    expect(whole.problems.filter(problem => problem.severity === 'failed')).toEqual([]);
    expect(whole.writes).toBeGreaterThan(12);
    for (let writes = 1; writes < whole.writes; writes++) {
      const options = { selection, namespaceMapping: { lab: `lab-${writes}` } };
      const { api: dying, signal, left } = mortal(writes);
      const ended = await restore(set, dying, { ...options, concurrency: 1 }, signal).catch((error: Error) => error.message);
      // What the controllers make in a new namespace is found there or written, so that one run may need a few writes less than another.
      if (typeof ended === 'string') expect(ended, `dies after ${writes} writes`).toContain('killed');
      else expect(left(), `is through before ${writes} writes`).toBeGreaterThan(0);
      const completed = await restore(set, api, options);
      expect(
        completed.problems.filter(problem => problem.severity === 'failed'),
        `after ${writes} writes`,
      ).toEqual([]);
      expect(failures(await compareWith(set, api, options)), `after ${writes} writes`).toEqual([]);
      const again = await restore(set, api, options);
      expect([writes, again.writes, again.totals['skip-differs']]).toEqual([writes, 0, 0]);
      expect(await podsOfJobs(`lab-${writes}`), `after ${writes} writes`).toEqual([]);
    }
    const atRest = await settledRevisions(api);
    await restore(set, api, { selection, namespaceMapping: { lab: 'lab-1' } });
    expect(changed(atRest, await revisions(api))).toEqual([]);
  });

  it('leaves every field with the manager that it had', async () => {
    const managersOf = async (kind: ResourceKind, namespace: string, name: string) => {
      const entries = at(await getObject(api, kind, namespace, name), 'metadata', 'managedFields') as JsonObject[];
      return entries.map(entry => [entry['manager'], entry['operation'], entry['subresource'] ?? '', entry['fieldsV1']]).sort();
    };
    for (const name of ['plain', 'applied', 'shared']) {
      const before = await managersOf(configMaps, 'lab', name);
      for (const namespace of ['lab-whole', 'lab-1', 'lab-5', 'lab-9'])
        expect(await managersOf(configMaps, namespace, name), `${namespace}/${name}`).toEqual(before);
    }
  });

  it('suspends a job that was running, and keeps one that had finished as it was', async () => {
    const running = await getObject(api, jobs, 'lab-whole', 'running');
    expect(at(running, 'spec', 'suspend')).toBe(true);
    const done = await getObject(api, jobs, 'lab-whole', 'done');
    expect(at(done, 'spec', 'suspend')).toBe(false);
    expect(at(done, 'status', 'succeeded')).toBe(1);
    expect(at(done, 'status', 'completionTime')).toBe('2026-11-20T10:05:00Z');
    await settledRevisions(api);
    expect(await podsOfJobs('lab'), 'where it was made, the running one has its pod').toHaveLength(1);
    expect(await podsOfJobs('lab-whole')).toEqual([]);
    const conditions = at(await getObject(api, jobs, 'lab-whole', 'done'), 'status', 'conditions') as JsonObject[];
    expect(conditions.map(condition => condition['type'])).toEqual(['SuccessCriteriaMet', 'Complete']);
  });

  it('is no interruption where only answers are lost', async () => {
    let writes = 0;
    const lossy: ClusterApi = {
      ...api,
      create: async (...args) => {
        const answer = await api.create(...args);
        if (++writes % 3 === 0) throw new HoldfastError('CLUSTER_UNREACHABLE', 'connection reset');
        return answer;
      },
    };
    const options = { selection, namespaceMapping: { lab: 'lab-lossy' } };
    const outcome = await restore(set, lossy, options);
    expect(outcome.phase).toBe('Completed');
    expect(writes).toBeGreaterThan(5);
    expect(failures(await compareWith(set, api, options))).toEqual([]);
    expect((await restore(set, api, options)).writes).toBe(0);
  });

  it('goes on when the API server is restarted in the middle', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `many-${i}`);
    await make(namespaces, { metadata: { name: 'many' } });
    await Promise.all(names.map(name => make(configMaps, { metadata: { name, namespace: 'many' }, data: { name } })));
    await waitFor('the account', async () => (await api.get(accounts, 'many', 'default')) !== undefined, { timeoutMs: 60_000 });
    const chosen = { ...everything, includeNamespaces: ['many'] };
    const many = await reader(location, await completeBackup(location, api, chosen));
    let writes = 0;
    let restarted: Promise<void> | undefined;
    const watched: ClusterApi = {
      ...api,
      create: (...args) => {
        if (++writes === 100) restarted = cluster.stopApiServer().then(() => cluster.startApiServer());
        return api.create(...args);
      },
    };
    const options = { selection: chosen, namespaceMapping: { many: 'many-2' }, waitMs: 60_000 };
    const outcome = await restore(many, watched, options);
    expect(restarted).toBeDefined();
    await restarted;
    expect(outcome.problems).toEqual([]);
    expect(outcome.totals.create).toBeGreaterThanOrEqual(301);
    expect(failures(await compareWith(many, api, options))).toEqual([]);
  });
});

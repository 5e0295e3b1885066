import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { at, type JsonObject, parseJson, stringAt } from '../../src/domain/json.ts';
import { kindName } from '../../src/domain/resource.ts';
import type { RestoreOutcome, RestorePlan } from '../../src/domain/restore-plan.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { applyPlatform } from '../fixtures/platform/apply.ts';
import { completeBackup, connect, type OpenLocation, openTestRepository, reader } from '../helpers/journey.ts';
import { changed, compareWith, failures, getObject, kindOf, plan, restore, revisions, settledRevisions } from '../helpers/restore.ts';

const replicaSets = kindOf('replicasets.apps/v1 ReplicaSet');
const deployments = kindOf('deployments.apps/v1 Deployment');
const pods = kindOf('pods/v1 Pod');

/** The sample platform is backed up and its cluster destroyed; what follows happens on another one, with a real controller manager. */
describe('the sample platform, restored into a fresh cluster', () => {
  let location: OpenLocation;
  let set: SetReader;
  let cluster: TestCluster;
  let api: ClusterApi;
  let before: ReadonlyMap<string, string>;
  let planned: RestorePlan;
  let afterPlan: ReadonlyMap<string, string>;
  let outcome: RestoreOutcome;

  beforeAll(async () => {
    location = await openTestRepository();
    const source = await startCluster({ name: 'restore-source', unsafeNoFsync: true });
    try {
      await applyPlatform(source, { argoCrds: 'minimal' });
      const sourceApi = await connect(source);
      set = await reader(location, await completeBackup(location, sourceApi));
      await sourceApi.close();
    } finally {
      await source.destroy();
    }
    cluster = await startCluster({ name: 'restore-target', unsafeNoFsync: true });
    api = await connect(cluster);
    before = await settledRevisions(api);
    planned = await plan(set, api);
    afterPlan = await revisions(api);
    outcome = await restore(set, api);
  }, 240_000);
  afterAll(async () => {
    await api?.close();
    await cluster?.destroy();
    await location?.remove();
  });

  it('is planned without a write', () => {
    expect(changed(before, afterPlan)).toEqual([]);
    expect(planned.problems).toEqual([]);
    expect(planned.totals.create).toBeGreaterThan(100);
  });

  it('does what the plan says', () => {
    expect(outcome.problems).toEqual([]);
    expect(outcome.phase).toBe('Completed');
    const untouched = planned.totals['skip-equal'] + planned.totals.exclude;
    // The control plane makes a service account in each new namespace before the restore gets there.
    expect(outcome.totals.create).toBeGreaterThanOrEqual(planned.totals.create - 9);
    expect(outcome.totals['skip-equal'] + outcome.totals.exclude).toBeGreaterThanOrEqual(untouched);
    const all = (totals: RestoreOutcome['totals']) => Object.values(totals).reduce((sum, count) => sum + count, 0);
    expect(all(outcome.totals)).toBe(all(planned.totals));
  });

  it('is equal, object by object', async () => {
    const report = await compareWith(set, api);
    expect(failures(report)).toEqual([]);
    expect(report.checks.length).toBeGreaterThan(40);
  });

  it('keeps numbers, odd text and finalizers to the last character', async () => {
    let compared = 0;
    const odd = (name: string) => name.startsWith('odd-');
    await set.read(
      entry => odd(entry.name) && ['configmaps', 'coderuns.agents.platform'].includes(kindName(entry)),
      async (entry, json) => {
        const kind = kindOf(`${kindName(entry)}/${entry.version} ${entry.kind}`);
        const live = await api.get(kind, entry.namespace, entry.name);
        const parts = (text: string) => {
          const object = parseJson(text);
          return JSON.stringify([at(object, 'spec'), at(object, 'data'), at(object, 'binaryData'), at(object, 'metadata', 'finalizers')]);
        };
        expect(parts(live ?? '{}')).toBe(parts(json));
        compared++;
      },
    );
    expect(compared).toBeGreaterThan(5);
  });

  it('links owners to the UIDs that they have here', async () => {
    let references = 0;
    await set.read(
      entry => entry.owners !== undefined && entry.resource !== 'pods',
      async entry => {
        const kind = kindOf(`${kindName(entry)}/${entry.version} ${entry.kind}`, entry.namespace !== '');
        const live = await getObject(api, kind, entry.namespace, entry.name);
        const owners = at(live, 'metadata', 'ownerReferences');
        expect(Array.isArray(owners) ? owners.length : 0).toBe(entry.owners?.length);
        for (const owner of Array.isArray(owners) ? owners : []) {
          const uid = stringAt(owner, 'uid') ?? '';
          expect(entry.owners).not.toContain(uid);
          expect([...(await uidsNow())]).toContain(uid);
          references++;
        }
      },
    );
    expect(references).toBeGreaterThan(5);
  });

  let uids: Promise<ReadonlySet<string>> | undefined;
  function uidsNow(): Promise<ReadonlySet<string>> {
    uids ??= revisions(api).then(found => new Set(Array.from(found.keys(), key => key.split(' ').at(-1) ?? '')));
    return uids;
  }

  it('has its replica sets adopted: the deployment controller makes no other', async () => {
    await settledRevisions(api);
    const wanted = new Set<string>();
    for await (const entry of set.entries()) if (entry.resource === 'replicasets') wanted.add(`${entry.namespace}/${entry.name}`);
    const found = new Set<string>();
    for (const key of (await revisions(api)).keys()) if (key.startsWith(`${kindName(replicaSets)} `)) found.add(key.split(' ')[1] ?? '');
    expect(found).toEqual(wanted);
    const deployment = await getObject(api, deployments, 'agent-platform', 'coderun-controller');
    expect(at(deployment, 'status', 'collisionCount')).toBeUndefined();
  });

  it('runs no finished job again', async () => {
    await settledRevisions(api);
    const made: string[] = [];
    for (const key of (await revisions(api)).keys()) {
      const [kind, place = ''] = key.split(' ');
      const [namespace = '', name = ''] = place.split('/');
      if (kind !== 'pods') continue;
      const owners = at(await getObject(api, pods, namespace, name), 'metadata', 'ownerReferences');
      if (Array.isArray(owners) && owners.some(owner => stringAt(owner, 'kind') === 'Job')) made.push(place);
    }
    expect(made).toEqual([]);
  });

  it('lets the GitOps manager apply once more without a conflict and without a change', async () => {
    await settledRevisions(api);
    let applied = 0;
    const { kinds } = await api.discover();
    await set.read(
      () => true,
      async (entry, json) => {
        const part = appliedPart(json);
        const kind = kinds.find(one => kindName(one) === kindName(entry));
        if (part === undefined || kind === undefined) return;
        const live = await getObject(api, kind, entry.namespace, entry.name);
        if (live === undefined) return;
        const body = yamlReads(JSON.stringify(part(live)));
        const options = { fieldManager: 'platform-gitops' };
        const answer = await api.patch(kind, entry.namespace, entry.name, { type: 'apply', body, force: false }, options);
        expect([entry.name, at(parseJson(answer), 'metadata', 'resourceVersion')]).toEqual([
          entry.name,
          at(live, 'metadata', 'resourceVersion'),
        ]);
        applied++;
      },
    );
    expect(applied).toBeGreaterThan(50);
  });

  it('is left alone by a second run, to the last resourceVersion', async () => {
    const atRest = await settledRevisions(api);
    const again = await restore(set, api);
    expect(again.phase).toBe('Completed');
    expect(again.writes).toBe(0);
    expect(again.totals).toMatchObject({ create: 0, complete: 0, adopt: 0, update: 0, recreate: 0, 'skip-differs': 0, fail: 0 });
    expect(changed(atRest, await revisions(api))).toEqual([]);
  });

  it('makes a service account’s missing contents whole instead of calling it another one', async () => {
    const accounts = kindOf('serviceaccounts/v1 ServiceAccount');
    await api.delete(accounts, 'monitoring', 'default');
    await waitFor('a new default account', async () => (await api.get(accounts, 'monitoring', 'default')) !== undefined, {
      timeoutMs: 60_000,
    });
    expect((await restore(set, api)).totals).toMatchObject({ fail: 0, 'skip-differs': 0 });
  });
});

/** What `platform-gitops` applied, as it would apply it again: a function of the live object, whose owners have other UIDs. */
function appliedPart(json: string): ((live: JsonObject) => JsonObject) | undefined {
  const object = parseJson(json);
  const entries = at(object, 'metadata', 'managedFields');
  const own = (Array.isArray(entries) ? entries : []).filter(
    entry =>
      stringAt(entry, 'manager') === 'platform-gitops' &&
      stringAt(entry, 'operation') === 'Apply' &&
      at(entry, 'subresource') === undefined,
  );
  const fields = own.length === 1 ? at(own[0], 'fieldsV1') : undefined;
  if (fields === undefined || JSON.stringify(fields).includes('f:ownerReferences')) return undefined;
  return live => {
    const part = pick(live, fields as JsonObject) as JsonObject;
    const { name, namespace } = live['metadata'] as JsonObject;
    const metadata = { ...(part['metadata'] as JsonObject), name, ...(namespace !== undefined && { namespace }) };
    return { ...part, apiVersion: at(object, 'apiVersion'), kind: at(object, 'kind'), metadata } as JsonObject;
  };
}

/** The API server reads applied bodies as YAML, which takes some characters only escaped. */
function yamlReads(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The fields of a set, by a reading of it that owes nothing to the program's own. */
function pick(value: unknown, fields: JsonObject): unknown {
  const names = Object.keys(fields).filter(name => name !== '.');
  if (names.length === 0) return value;
  if (Array.isArray(value)) {
    return value
      .filter(item =>
        names.some(name => {
          const wanted: unknown = JSON.parse(name.slice(2));
          if (name.startsWith('v:')) return JSON.stringify(wanted) === JSON.stringify(item);
          return Object.entries(wanted as object).every(([key, of]) => JSON.stringify((item as JsonObject)[key]) === JSON.stringify(of));
        }),
      )
      .map(item => {
        const name = names.find(one => one.startsWith('k:') && matches(item, one));
        if (name === undefined || Object.keys(fields[name] as JsonObject).length === 0) return item;
        return pick(item, fields[name] as JsonObject);
      });
  }
  const object = value as JsonObject;
  return Object.fromEntries(
    names
      .filter(name => object[name.slice(2)] !== undefined)
      .map(name => [name.slice(2), pick(object[name.slice(2)], fields[name] as JsonObject)]),
  );
}

function matches(item: unknown, name: string): boolean {
  return Object.entries(JSON.parse(name.slice(2)) as object).every(
    ([key, of]) => JSON.stringify((item as JsonObject)[key]) === JSON.stringify(of),
  );
}

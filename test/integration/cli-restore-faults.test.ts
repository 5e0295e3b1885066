import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateIdentity } from '../../src/crypto/age.ts';
import { apiJson, apiRequest } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { waitFor } from '../cluster/wait.ts';
import { configMap, makeRepository, secret, type TestObject, type TestRepository, writeSet } from '../contract/repository-fixture.ts';
import { startAdmissionWebhook } from '../helpers/admission-webhook.ts';
import { holdfast, type Ran } from '../helpers/command.ts';

let cluster: TestCluster;
let made: TestRepository;

const path = (name: string) => join(made.dir, name);
const run = (line: string, identity = 'identity') =>
  holdfast(line.split(' '), {
    env: {
      HOME: made.dir,
      XDG_CACHE_HOME: path('cache'),
      HOLDFAST_LOCATION: made.dir,
      HOLDFAST_SIGNING_KEY: path('signing.key'),
      HOLDFAST_RECIPIENTS_FILE: path('recipients'),
      HOLDFAST_KUBECONFIG: cluster.kubeconfig,
      HOLDFAST_IDENTITY: path(identity),
    },
  });
const summary = ({ stdout }: Ran): Record<string, unknown> => JSON.parse(stdout.trim().split('\n').at(-1)!);
const ledger = () => readdir(path('ledger')).catch(() => []);

async function configMapsOf(namespace: string): Promise<string[]> {
  const { items } = await apiJson<{ items: { metadata: { name: string } }[] }>(cluster, `/api/v1/namespaces/${namespace}/configmaps`);
  return items.map(({ metadata }) => metadata.name).filter(name => name !== 'kube-root-ca.crt');
}

async function create(collection: string, body: object): Promise<void> {
  await apiJson(cluster, collection, { method: 'POST', body });
}

async function makeNamespace(name: string): Promise<void> {
  await create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
}

/** Would a configmap be refused? */
async function refuses(namespace: string, name: string): Promise<boolean> {
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } };
  const collection = `/api/v1/namespaces/${namespace}/configmaps?dryRun=All`;
  return (await apiRequest(cluster, collection, { method: 'POST', body })).status === 403;
}

/** Refuses what the expression says of in one namespace, from when this returns. */
async function refuse(namespace: string, expression: string, probe: string): Promise<void> {
  const group = '/apis/admissionregistration.k8s.io/v1';
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] };
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } };
  const spec = {
    matchConstraints: { namespaceSelector, resourceRules: [rule] },
    validations: [{ expression, message: `not welcome in ${namespace}`, reason: 'Forbidden' }],
  };
  await create(`${group}/validatingadmissionpolicies`, { metadata: { name: namespace }, spec });
  const binding = { policyName: namespace, validationActions: ['Deny'] };
  await create(`${group}/validatingadmissionpolicybindings`, { metadata: { name: namespace }, spec: binding });
  await waitFor('the policy in force', () => refuses(namespace, probe), { timeoutMs: 60_000 });
}

beforeAll(async () => {
  [cluster, made] = await Promise.all([startCluster({ name: 'cli-restore-faults', unsafeNoFsync: true }), makeRepository()]);
  await writeFile(path('identity'), `${made.keys.identity}\n`);
  await writeFile(path('other-identity'), `${(await generateIdentity()).identity}\n`);
  await writeFile(path('recipients'), `${made.keys.recipient}\n`);
  await writeFile(path('signing.key'), made.keys.privatePem, { mode: 0o600 });
});
afterAll(async () => {
  await cluster?.destroy();
  await made?.remove();
});

async function newSet(id: string, objects: readonly TestObject[], maxTarBytes?: number): Promise<string> {
  await writeSet(made.repository, made.keys, { id, objects, ...(maxTarBytes !== undefined && { maxTarBytes }) });
  return id;
}

describe('the wrong identity', () => {
  it.each(['restore create', 'restore plan', 'validate'])('ends %s with 12 before anything is done', async command => {
    const id = await newSet(`20261120T020000Z-test-${command.slice(-4)}`, [
      configMap('settings', 'sealed'),
      secret('token', 'x', 'sealed'),
    ]);
    const before = await ledger();
    const ran = await run(`${command} ${id}${command === 'restore create' ? ' --yes' : ''}`, 'other-identity');
    expect(ran).toMatchObject({ exit: 12, stdout: '' });
    expect(ran.stderr).toContain(`error: ${id}: no given identity opens resources-0001`);
    expect(ran.stderr).toMatch(/: it is sealed to SHA256:[0-9a-f]{64}, and given was the identity of SHA256:[0-9a-f]{64}\n/);
    expect(ran.stderr).toContain('hint: this identity is none of the backup’s recipients');
    expect((await apiRequest(cluster, '/api/v1/namespaces/sealed')).status).toBe(404);
    expect(await ledger()).toEqual(before);
  });

  it('is not what a damaged file is taken for', async () => {
    const id = await newSet('20261120T030000Z-test-head', [configMap('settings', 'headless')]);
    const file = path(`backups/${id}/resources-0001.tar.zst.age`);
    const bytes = await readFile(file);
    // In what is sealed for the recipient: age takes it for somebody else’s.
    const stanza = bytes.indexOf('\n', bytes.indexOf('-> X25519')) + 5;
    bytes[stanza] = bytes[stanza] === 0x41 ? 0x42 : 0x41;
    await writeFile(file, bytes);
    const ran = await run(`restore create ${id} --yes -o json`);
    expect(ran.exit, ran.stderr).toBe(4);
    expect(summary(ran)).toMatchObject({ phase: 'Failed', stoppedBy: 'BACKUP_CORRUPT' });
  });
});

describe('a flipped bit', () => {
  it('ends a restore with 4 and its file’s name; the same command on the mended set completes it', async () => {
    const objects = Array.from({ length: 40 }, (_, i) => configMap(`settings-${i}`, 'flipped', 'x'.repeat(2_000)));
    const id = await newSet('20261121T020000Z-test-flip', objects, 16_384);
    const shards = (await readdir(path(`backups/${id}`))).filter(name => name.startsWith('resources-')).sort();
    expect(shards.length).toBeGreaterThan(3);
    const damaged = path(`backups/${id}/${shards.at(-1)}`);
    const whole = await readFile(damaged);
    const flipped = Buffer.from(whole);
    flipped[flipped.length >> 1]! ^= 1;
    await writeFile(damaged, flipped);

    const ran = await run(`restore create ${id} --yes -o json`);
    expect(ran.exit, ran.stderr).toBe(4);
    const told = summary(ran) as { totals: { create: number }; problems: object[] };
    expect(told).toMatchObject({ phase: 'Failed', stoppedBy: 'BACKUP_CORRUPT' });
    expect(told.problems).toContainEqual(
      expect.objectContaining({ severity: 'failed', code: 'BACKUP_CORRUPT', message: expect.stringContaining(shards.at(-1)!) }),
    );
    // What it says it has written is what is there: nothing more comes after it has ended.
    const there = await configMapsOf('flipped');
    expect(there.length).toBeGreaterThan(0);
    expect(there.length).toBeLessThan(objects.length);
    // With the namespace, which is not in the set.
    expect(told.totals.create).toBe(there.length + 1);

    await writeFile(damaged, whole);
    const again = await run(`restore create ${id} --yes --validate -o json`);
    expect(again.exit, again.stdout + again.stderr).toBe(0);
    expect(summary(again)).toMatchObject({ phase: 'Completed', totals: { create: objects.length - there.length } });
    expect((await configMapsOf('flipped')).length).toBe(objects.length);
  });
});

describe('what the cluster refuses', () => {
  const objects = (namespace: string) => Array.from({ length: 4 }, (_, i) => configMap(`settings-${i}`, namespace));

  it('ends a restore with 3 where a quota lets a part of it in, and with 0 once it is raised', async () => {
    const id = await newSet('20261122T020000Z-test-quot', objects('tight'));
    await makeNamespace('tight');
    // The cluster’s own authority takes one of the three.
    await waitFor('the authority’s configmap', async () => hasAuthority('tight'), { timeoutMs: 60_000 });
    const quota = '/api/v1/namespaces/tight/resourcequotas';
    await create(quota, { metadata: { name: 'few' }, spec: { hard: { 'count/configmaps': '3' } } });
    await waitFor(
      'the quota counted',
      async () => {
        const { status } = await apiJson<{ status?: { used?: Record<string, string> } }>(cluster, `${quota}/few`);
        return status?.used?.['count/configmaps'] === '1';
      },
      { timeoutMs: 60_000 },
    );
    const ran = await run(`restore create ${id} --yes -o json`);
    expect(ran.exit, ran.stderr).toBe(3);
    expect(summary(ran)).toMatchObject({ phase: 'PartiallyFailed', totals: { create: 2, fail: 2 } });
    expect(summary(ran)['problems']).toContainEqual(expect.objectContaining({ message: expect.stringContaining('exceeded quota: few') }));
    expect(await configMapsOf('tight')).toHaveLength(2);
    expect((await apiRequest(cluster, `${quota}/few`, { method: 'DELETE' })).status).toBe(200);
    await waitFor('the quota gone', async () => !(await refuses('tight', 'probe')), { timeoutMs: 60_000 });
    const again = await run(`restore create ${id} --yes -o json`);
    expect(again.exit, again.stderr).toBe(0);
    expect(summary(again)).toMatchObject({ phase: 'Completed', totals: { create: 2, fail: 0 } });
  });

  it('ends a restore with 3 where a policy rejects an object, in its own words', async () => {
    const id = await newSet('20261122T030000Z-test-poli', objects('picky'));
    await makeNamespace('picky');
    await refuse('picky', "object.metadata.name != 'settings-1'", 'settings-1');
    const ran = await run(`restore create ${id} --yes`);
    expect(ran.exit, ran.stderr).toBe(3);
    expect(ran.stderr + ran.stdout).toMatch(/configmaps picky\/settings-1.*not welcome in picky/);
    expect((await configMapsOf('picky')).sort()).toEqual(['settings-0', 'settings-2', 'settings-3']);
  });

  it('ends a restore with 3 where a webhook denies an object, and with 0 once it lets it in', async () => {
    const id = await newSet('20261122T033000Z-test-hook', objects('hooked'));
    await makeNamespace('hooked');
    let strict = true;
    const webhook = await startAdmissionWebhook(cluster, {
      ...{ name: 'picky.holdfast.test', namespace: 'hooked' },
      denies: name => (strict && name === 'settings-2' ? 'this one is not welcome' : undefined),
    });
    try {
      await waitFor('the webhook in force', () => denies('hooked', 'settings-2'), { timeoutMs: 60_000 });
      const ran = await run(`restore create ${id} --yes -o json`);
      expect(ran.exit, ran.stderr).toBe(3);
      expect(summary(ran)).toMatchObject({ phase: 'PartiallyFailed', totals: { create: 3, fail: 1 } });
      expect(summary(ran)['problems']).toEqual([
        {
          ...{ severity: 'failed', item: 'configmaps hooked/settings-2', code: 'CLUSTER_REJECTED' },
          message: expect.stringMatching(/admission webhook "picky\.holdfast\.test" denied the request: this one is not welcome/),
        },
      ]);
      expect((await configMapsOf('hooked')).sort()).toEqual(['settings-0', 'settings-1', 'settings-3']);
      expect(webhook.asked()).toBeGreaterThanOrEqual(4);
      strict = false;
      const again = await run(`restore create ${id} --yes -o json`);
      expect(again.exit, again.stderr).toBe(0);
      expect(summary(again)).toMatchObject({ phase: 'Completed', totals: { create: 1, fail: 0 } });
    } finally {
      await webhook.stop();
    }
  });

  it('ends a restore with 3 where the target does not serve a kind, told once for all its objects', async () => {
    const strange = (name: string): TestObject => ({
      ref: { group: 'nowhere.example.com', version: 'v1', resource: 'gadgets', namespace: 'partly', name },
      json: JSON.stringify({ apiVersion: 'nowhere.example.com/v1', kind: 'Gadget', metadata: { name, namespace: 'partly', uid: name } }),
    });
    const id = await newSet('20261122T034500Z-test-kind', [configMap('settings', 'partly'), strange('one'), strange('two')]);
    const ran = await run(`restore create ${id} --yes -o json`);
    expect(ran.exit, ran.stderr).toBe(3);
    expect(summary(ran)).toMatchObject({ phase: 'PartiallyFailed', totals: { fail: 2 } });
    const told = summary(ran)['problems'] as { severity: string }[];
    expect(told.filter(({ severity }) => severity === 'failed')).toMatchObject([
      { item: 'gadgets.nowhere.example.com', code: 'CLUSTER_NOT_FOUND' },
    ]);
    expect(await configMapsOf('partly')).toEqual(['settings']);
  });

  it('ends a restore with 1 where nothing comes back', async () => {
    const id = await newSet('20261122T040000Z-test-none', objects('closed'));
    await makeNamespace('closed');
    await refuse('closed', "!object.metadata.name.startsWith('settings')", 'settings-1');
    const ran = await run(`restore create ${id} --yes -o json`);
    expect(ran.exit, ran.stderr).toBe(1);
    expect(summary(ran)).toMatchObject({ phase: 'Failed', totals: { create: 0, fail: 4 } });
    expect(summary(ran)).not.toHaveProperty('stoppedBy');
    expect(await configMapsOf('closed')).toEqual([]);
  });
});

/** Does an admission webhook say no, whatever became of those that cannot be reached yet? */
async function denies(namespace: string, name: string): Promise<boolean> {
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } };
  const answer = await apiRequest(cluster, `/api/v1/namespaces/${namespace}/configmaps?dryRun=All`, { method: 'POST', body });
  return answer.status >= 400 && JSON.stringify(answer).includes('denied the request');
}

describe('an API group that does not answer', () => {
  it('ends a backup with 3 and its name, and with 0 where it is left out', async () => {
    const registrations = '/apis/apiregistration.k8s.io/v1/apiservices';
    const spec = {
      ...{ group: 'silent.example', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100, insecureSkipTLSVerify: true },
      service: { namespace: 'default', name: 'nobody' },
    };
    await create(registrations, { metadata: { name: 'v1beta1.silent.example' }, spec });
    try {
      const known = async () => (await run('backup create -o json')).stdout.includes('DISCOVERY_INCOMPLETE');
      await waitFor('the aggregator knows that nobody answers', known, { timeoutMs: 60_000 });
      const ran = await run('backup create -o json');
      expect(ran.exit, ran.stderr).toBe(3);
      expect(summary(ran)).toMatchObject({
        phase: 'PartiallyFailed',
        problems: [{ item: 'silent.example/v1beta1', code: 'DISCOVERY_INCOMPLETE' }],
      });
      const without = await run('backup create --exclude-kinds *.silent.example -o json');
      expect(without.exit, without.stderr).toBe(0);
    } finally {
      await apiRequest(cluster, `${registrations}/v1beta1.silent.example`, { method: 'DELETE' });
    }
  });
});

async function hasAuthority(namespace: string): Promise<boolean> {
  return (await apiRequest(cluster, `/api/v1/namespaces/${namespace}/configmaps/kube-root-ca.crt`)).status === 200;
}

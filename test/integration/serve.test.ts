import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifyLedger } from '../../src/repository/ledger-verify.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import { apiJson, type KubeObject } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { applyPlatform } from '../fixtures/platform/apply.ts';
import { documentedCommands, runDocumented } from '../helpers/api-commands.ts';
import { type ClusterGate, startClusterGate } from '../helpers/cluster-gate.ts';
import { holdfast } from '../helpers/command.ts';
import { having } from '../helpers/having.ts';
import { type Served, startServe, tokens } from '../helpers/serve-process.ts';
import { accepted, ended } from '../helpers/service-work.ts';

const { describe } = having('curl', 'jq');

/** The sample platform under a service; later its cluster is gone, and another service brings it back through HTTP alone. */
describe('the service', () => {
  let dir: string;
  let source: TestCluster;
  let identity: string;
  const running: Served[] = [];
  const location = () => `file://${join(dir, 'repository')}`;

  const serve = async (name: string, { kubeconfig }: Pick<TestCluster, 'kubeconfig'>, more = '', patient = false): Promise<Served> => {
    const served = await startServe({ dir, name, kubeconfig, location: location(), keysDir: join(dir, 'keys'), more, patient });
    running.push(served);
    return served;
  };
  const namesIn = async (cluster: TestCluster, namespace: string, resource = 'api/v1/configmaps'): Promise<string[]> => {
    const at = resource.replace(/[^/]+$/, plural => `namespaces/${namespace}/${plural}`);
    const { items } = await apiJson<{ items: KubeObject[] }>(cluster, `/${at}`);
    return items.map(({ metadata }) => metadata.name).sort();
  };

  beforeAll(async () => {
    dir = await tempDir('serve');
    expect((await holdfast(['keys', 'generate', '--out', join(dir, 'keys')])).exit).toBe(0);
    expect((await holdfast(['init', '--location', location(), '--keys-dir', join(dir, 'keys')])).exit).toBe(0);
    identity = await readFile(join(dir, 'keys', 'operator.identity'), 'utf8');
    source = await startCluster({ name: 'serve-source', unsafeNoFsync: true });
    await applyPlatform(source, { argoCrds: 'minimal' });
  });
  afterAll(async () => {
    for (const served of running) served.signal('SIGKILL');
    await source?.destroy();
  });

  describe('of a platform', () => {
    let service: Served;
    beforeAll(async () => {
      service = await serve('first', source);
      await service.said('leading');
    });
    afterAll(async () => {
      service.signal('SIGTERM');
      expect(await service.exited).toBe(0);
    });

    it('takes the first backup by itself, and says that the platform is protected, and what is not', async () => {
      const { items } = await waitFor(
        'a backup is there',
        async () => {
          const page = await service.get<{ items: { id: string; phase: string; tier: string; objects: number }[] }>('backups');
          return page.items.length > 0 ? page : undefined;
        },
        { timeoutMs: 60_000 },
      );
      expect(items).toMatchObject([{ phase: 'Completed', tier: 'daily' }]);
      expect(items[0]!.objects).toBeGreaterThan(200);
      // They follow the catalog.
      const objective = async () => (await service.get<{ items: object[] }>('objectives')).items[0];
      const met = { policy: 'platform', state: 'met', message: expect.stringContaining('volume data') };
      await expect.poll(objective, { timeout: 60_000 }).toMatchObject(met);
      const metrics = async () => (await fetch(service.metricsUrl)).text();
      await expect.poll(metrics, { timeout: 60_000 }).toMatch(/^holdfast_sets\{tier="daily",phase="Completed"\} 1$/m);
      await expect.poll(metrics, { timeout: 60_000 }).toMatch(/^holdfast_not_protected\{policy="platform",part="volumeData"\} 1$/m);
    });

    it('takes a backup when asked, once for one key, and tells of it while it runs', async () => {
      const events = await fetch(`${service.url}/api/v1/events`, {
        headers: { authorization: `Bearer ${tokens.alice}` },
        signal: AbortSignal.timeout(150_000),
      });
      const ask = () => service.send('POST', 'backups', { tier: 'before-upgrade' }, { 'idempotency-key': 'upgrade-17' });
      const [one, other] = [await accepted(await ask()), await accepted(await ask())];
      expect(other).toBe(one);
      const operation = await ended(service, one);
      expect(operation).toMatchObject({ phase: 'Completed', kind: 'backup' });
      const { set } = operation.summary as { set: string };
      expect(set).toContain('-before-upgrade-');
      expect(await service.get(`backups/${set}`)).toMatchObject({ manifest: { id: set, tier: 'before-upgrade' } });
      const different = await service.send('POST', 'backups', { tier: 'other' }, { 'idempotency-key': 'upgrade-17' });
      expect([different.status, ((await different.json()) as { code: string }).code]).toEqual([409, 'IDEMPOTENCY_MISMATCH']);
      let told = '';
      for await (const chunk of events.body!) {
        told += Buffer.from(chunk).toString('utf8');
        if (told.includes('Completed')) break;
      }
      expect(told).toContain(one);
    });

    it('does all that with the curl commands of its documentation', async () => {
      const api = (body: object, at: string) => apiJson(source, at, { method: 'POST', body });
      await api({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'holdfast' } }, '/api/v1/namespaces');
      const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'identity' }, stringData: { 'operator.identity': identity } };
      await api(secret, '/api/v1/namespaces/holdfast/secrets');
      const stdout = await runDocumented(
        service,
        `${await documentedCommands('\n## The whole journey\n', '\nWatch everything that happens')}
        until ask "$api/restores/$restore" | jq -e '.phase | IN("Pending", "Running") | not' >/dev/null; do sleep 0.2; done
        echo "ended: $operation $restore"`,
        join(dir, 'keys'),
      );
      const [, backup = '', restore = ''] = /^ended: (\S+) (\S+)$/m.exec(stdout) ?? [];
      expect(await service.get(`operations/${backup}`)).toMatchObject({ kind: 'backup', phase: 'Completed', summary: { tier: 'daily' } });
      expect(await service.get(`restores/${restore}`)).toMatchObject({ phase: 'Completed' });
      expect((await namesIn(source, 'agent-platform')).length).toBeGreaterThan(2);
      expect(await namesIn(source, 'agent-platform-old')).toEqual(await namesIn(source, 'agent-platform'));
    });

    it('keeps a set that is held, and says why', async () => {
      const { items } = await service.get<{ items: { id: string }[] }>('backups?limit=1');
      const held = await service.send('PUT', `holds/${items[0]!.id}`, { reason: 'audit of November' });
      if (held.status >= 300) throw new Error(`${held.status} ${await held.text()}`);
      const plan = await service.get<{ decisions: { action: string; reasons: string[] }[] }>('retention/plan');
      expect(plan.decisions.map(({ action }) => action)).not.toContain('delete');
      expect(plan.decisions.flatMap(({ reasons }) => reasons)).toContain('held by alice: audit of November');
    });

    it('turns away whoever may not', async () => {
      expect((await fetch(`${service.url}/api/v1/backups`)).status).toBe(401);
      const refused = await service.send('POST', 'backups', {}, { authorization: `Bearer ${tokens.victor}` });
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([403, 'REQUEST_FORBIDDEN']);
      expect(await service.get('backups', tokens.victor)).toHaveProperty('items');
    });

    it('takes up a changed configuration, and keeps the old one where the new one is invalid', async () => {
      const text = await readFile(service.configFile, 'utf8');
      await writeFile(service.configFile, `${text}nonsense: true\n`);
      service.signal('SIGHUP');
      await service.said('the changed configuration is refused; the one of before stays in force');
      expect((await service.get<{ items: { name: string }[] }>('policies')).items.map(({ name }) => name)).toEqual(['platform']);
      const policies = `policies: {agents: {selection: {includeNamespaces: [agent-platform]}, tiers: {hourly: {schedule: "0 * * * *", suspend: true, keep: 7d}}}}`;
      await writeFile(service.configFile, `${text}${policies}\n`);
      service.signal('SIGHUP');
      await waitFor(
        'the new policy is in force',
        async () => {
          const { items } = await service.get<{ items: { name: string }[] }>('policies');
          return items.some(({ name }) => name === 'agents') || undefined;
        },
        { timeoutMs: 60_000 },
      );
      await writeFile(service.configFile, text);
      service.signal('SIGHUP');
    });

    it('hands over to another replica when it is killed, and that one finds what was asked for', async () => {
      const second = await serve('second', source);
      const standby = await second.send('POST', 'backups', { tier: 'never' });
      expect([standby.status, ((await standby.json()) as { code: string }).code]).toEqual([503, 'NOT_LEADER']);
      expect(standby.headers.get('retry-after')).not.toBeNull();
      service.signal('SIGKILL');
      await second.said('leading', 90_000);
      const id = await accepted(await second.send('POST', 'backups', { tier: 'after-kill' }));
      expect(await ended(second, id)).toMatchObject({ phase: 'Completed' });
      second.signal('SIGTERM');
      expect(await second.exited).toBe(0);
      service = await serve('third', source);
      await service.said('leading');
    });
  });

  describe('of an empty cluster', () => {
    let target: TestCluster;
    let gate: ClusterGate;
    let service: Served;
    let before: string[][];
    const kinds = ['api/v1/configmaps', 'api/v1/secrets', 'apis/apps/v1/deployments', 'apis/agents.platform/v1/coderuns'];
    const namesOf = (cluster: TestCluster) => Promise.all(kinds.map(kind => namesIn(cluster, 'agent-platform', kind)));
    /** Of every namespace, by the cluster itself. */
    const clusters = 'kube-root-ca.crt';
    /** Config maps of the namespace `again`: name to what changes with every write. */
    const restored = async (): Promise<Map<string, string>> => {
      const { items } = await apiJson<{ items: KubeObject[] }>(target, '/api/v1/namespaces/again/configmaps');
      const own = items.map(({ metadata }) => metadata).filter(({ name }) => name !== clusters);
      return new Map(own.map(({ name, ...metadata }) => [name, `${metadata['uid']} ${metadata['resourceVersion']}`]));
    };
    beforeAll(async () => {
      before = await namesOf(source);
      await source.destroy();
      target = await startCluster({ name: 'serve-target', unsafeNoFsync: true });
      gate = await startClusterGate(target, dir);
      service = await serve('target', gate, 'policies: {}\n', true);
      await service.said('leading', 90_000);
    });
    afterAll(async () => {
      await gate?.close();
      await target?.destroy();
    });

    it('brings the whole platform back with the curl commands of its documentation, and compares every object', async () => {
      const definitions = await documentedCommands('\n## The whole journey\n', '\nTake a backup.');
      const commands = `${definitions}${await documentedCommands('\n### The whole cluster\n', '\n## Resources\n')}`;
      const told = await runDocumented(service, commands, join(dir, 'keys'));
      const { phase, error, totals, validation } = JSON.parse(told) as Record<string, Record<string, unknown>>;
      expect({ phase, error, validation }).toMatchObject({ phase: 'Completed', error: null, validation: { failed: 0 } });
      expect(totals!['create']).toBeGreaterThan(200);
      expect(before.map(names => names.length)).not.toContain(0);
      expect(await namesOf(target)).toEqual(before);
    });

    it('writes nothing a second time, with the identity in the request', async () => {
      const plan = await service.send('POST', 'restores/plan', { set: 'latest', existing: 'skip', identity: { value: identity } });
      expect(plan.status).toBe(200);
      expect(((await plan.json()) as { totals: { create: number } }).totals.create).toBe(0);
      const asked = { set: 'latest', existing: 'skip', validate: true, identity: { value: identity } };
      const operation = await ended(service, await accepted(await service.send('POST', 'restores', asked)));
      expect(operation.error).toBeUndefined();
      expect(operation).toMatchObject({ phase: 'Completed', summary: { writes: 0, validation: { failed: 0 } } });
    });

    it('takes a restore up again whose process was killed', async () => {
      service.signal('SIGTERM');
      expect(await service.exited).toBe(0);
      service = await serve('target-killed', gate, 'policies: {}\n', true);
      await service.said('leading');
      // The Secret came back with everything else.
      const asked = {
        ...{ set: 'latest', selection: { includeNamespaces: ['agent-platform'] }, namespaceMapping: { 'agent-platform': 'again' } },
        identity: { secret: { namespace: 'holdfast', name: 'identity', key: 'operator.identity' } },
      };
      let passed = 0;
      gate.hold(({ method, url }) => method !== 'GET' && url.includes('/namespaces/again/configmaps') && ++passed > 1);
      const id = await accepted(await service.send('POST', 'restores', asked));
      const middle = async () => gate.held > 0 && (await restored()).size > 0;
      await waitFor('the restore is in its middle', middle, { timeoutMs: 60_000, intervalMs: 20 });
      service.signal('SIGKILL');
      await service.exited;
      const written = await restored();
      expect(written.size).toBe(1);
      gate.open();
      service = await serve('target-again', gate, 'policies: {}\n', true);
      await service.said('leading', 90_000);
      expect(await ended(service, id)).toMatchObject({ phase: 'Completed', summary: { problems: [] } });
      const all = await restored();
      expect([...all.keys()].sort()).toEqual(before[0]!.filter(name => name !== clusters));
      for (const [name, version] of written) expect(all.get(name)).toBe(version);
    });

    it('is told clearly what is wrong with a request', async () => {
      const code = async (body: unknown) => {
        const response = await service.send('POST', 'restores', body);
        return [response.status, ((await response.json()) as { code: string }).code];
      };
      expect(await code({ set: 'latest', existing: 'skip' })).toEqual([422, 'IDENTITY_MISSING']);
      expect(await code({ set: '20200101T000000Z-daily-aaaa', existing: 'skip' })).toEqual([404, 'BACKUP_NOT_FOUND']);
      const strange = 'AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ';
      expect((await code({ set: 'latest', existing: 'skip', identity: { value: strange } }))[0]).toBeGreaterThanOrEqual(400);
    });

    it('leaves no trace of an identity, and one chain of everything that was done', async () => {
      service.signal('SIGTERM');
      expect(await service.exited).toBe(0);
      const secret = /AGE-SECRET-KEY-[A-Z0-9]+/.exec(identity)![0];
      for (const served of running) expect(served.log()).not.toContain(secret);
      const repository = join(dir, 'repository');
      for (const name of await readdir(repository, { recursive: true })) {
        if (name.endsWith('.json') || name.endsWith('.ndjson'))
          expect(await readFile(join(repository, name), 'utf8')).not.toContain(secret);
      }
      const opened = await openRepository(createFileStore(repository));
      const report = await verifyLedger(opened, { trusted: [await readFile(join(dir, 'keys', 'signing.pub'), 'utf8')] });
      expect(report).toMatchObject({ ok: true, problems: [] });
      expect(report.entries).toBeGreaterThan(8);
    });
  });
});

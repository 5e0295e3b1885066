import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { apiJson, apiRequest } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { holdfast, ok, type Ran } from '../helpers/command.ts';
import { type Served, startServe, tokens } from '../helpers/serve-process.ts';

const namespace = 'server-agents';
const labels = { 'pod-security.kubernetes.io/enforce': 'baseline', 'istio-injection': 'enabled' };
const configMap = (name: string) => `/api/v1/namespaces/${namespace}/configmaps/${name}`;

/** The same commands twice: on the repository itself, and by a service that has it. */
describe('the command line with --server', () => {
  let dir: string;
  let cluster: TestCluster;
  let service: Served;
  let identity: string;

  /** By this process. */
  const here = (line: string) =>
    holdfast(line.split(' '), {
      env: {
        HOLDFAST_LOCATION: join(dir, 'repository'),
        HOLDFAST_KEYS_DIR: join(dir, 'keys'),
        HOLDFAST_KUBECONFIG: cluster.kubeconfig,
        HOLDFAST_IDENTITY: identity,
      },
    });
  /** By the service; what it needs is in the environment, as it would be in a pipeline. */
  const there = (line: string, env: NodeJS.ProcessEnv = {}) =>
    holdfast(line.split(' '), {
      env: { HOLDFAST_SERVER_URL: service.url, HOLDFAST_SERVER_TOKEN_FILE: join(dir, 'alice'), HOLDFAST_IDENTITY: identity, ...env },
    });
  const last = ({ stdout }: Ran) => JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;
  /** The same text, or the same document: fields of JSON and YAML have no order. */
  const same = (its: Ran, mine: Ran, line: string): void => {
    if (/-o (?:json|yaml)/.test(line)) expect(documents(its.stdout), line).toEqual(documents(mine.stdout));
    else expect(comparable(its.stdout), line).toBe(comparable(mine.stdout));
  };
  const documents = (text: string) => (text.startsWith('{"') ? text.trim().split('\n') : [text]).map(each => parse(each) as unknown);
  const errorOf = ({ exit, stdout, stderr }: Ran) => [exit, /"code":\s*"(\w+)"/.exec(stdout)?.[1] ?? stderr] as const;
  /** Without what each run has of its own. */
  const comparable = (text: string) => text.replaceAll(/\d+(?:\.\d+)?(?:ms|s)\b/g, '…s').replaceAll(/ +/g, ' ');

  beforeAll(async () => {
    dir = await tempDir('cli-server');
    identity = join(dir, 'keys', 'operator.identity');
    cluster = await startCluster({ name: 'cli-server', controllers: false, unsafeNoFsync: true });
    await apiJson(cluster, '/api/v1/namespaces', {
      method: 'POST',
      body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels, annotations: { owner: 'agents' } } },
    });
    for (const name of ['settings', 'tools']) {
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { key: name } };
      await apiJson(cluster, `/api/v1/namespaces/${namespace}/configmaps`, { method: 'POST', body });
    }
    ok(await here(`keys generate --out ${join(dir, 'keys')}`));
    ok(await here('init'));
    const parts = {
      dir,
      name: 'cli-server',
      kubeconfig: cluster.kubeconfig,
      location: join(dir, 'repository'),
      keysDir: join(dir, 'keys'),
    };
    service = await startServe({ ...parts, more: 'policies: {}\n' });
    await service.said('leading');
    await writeFile(join(dir, 'alice'), `${tokens.alice}\n`);
    await writeFile(join(dir, 'victor'), tokens.victor);
  });
  afterAll(async () => {
    service?.signal('SIGTERM');
    await service?.exited;
    await cluster?.destroy();
  });

  it('takes a backup, and shows it as the one who made it would', async () => {
    const made = last(ok(await there(`backup create --tier upgrade --include-namespaces ${namespace} -o json`)));
    expect(made).toMatchObject({ message_type: 'summary', phase: 'Completed', tier: 'upgrade', location: service.url });
    expect(made['selection']).toMatchObject({ includeNamespaces: [namespace] });
    for (const line of ['backup get', 'backup get -o json', 'backup describe latest --objects -o json', 'backup describe latest -o yaml']) {
      same(ok(await there(line)), ok(await here(line)), line);
    }
    expect((await there('backup describe latest --objects -o name')).stdout).toContain(`${namespace}/configmaps/settings`);
    expect((await readFile(join(dir, 'repository', 'backups', String(made['id']), 'manifest.json'), 'utf8')).length).toBeGreaterThan(100);
  });

  it('passes on what is to be done about volumes, and leaves it to the tier where nothing was said', async () => {
    const partsOf = async (more: string) => {
      const made = last(ok(await there(`backup create --include-namespaces ${namespace} ${more}-o json`)));
      return (made['parts'] as { part: string }[]).map(({ part }) => part);
    };
    expect(await partsOf('--volumes data ')).toEqual(['resources', 'volumeSnapshots', 'volumeData']);
    expect(await partsOf('--volumes snapshots ')).toEqual(['resources', 'volumeSnapshots']);
    expect(await partsOf('--volumes none ')).toEqual(['resources']);
    expect(await partsOf('')).toEqual(['resources']);
  });

  it('serves whoever is restricted to namespaces with sets of these: taken, listed, described and restored as by anybody else', async () => {
    const own = `--server-namespaces ${namespace}`;
    const made = last(ok(await there(`backup create ${own} --include-namespaces ${namespace} -o json`)));
    expect(made).toMatchObject({ phase: 'Completed', selection: { includeNamespaces: [namespace], clusterScoped: 'auto' } });
    const set = String(made['id']);
    for (const line of [`backup describe ${set} --objects`, `backup describe ${set} -o json`]) {
      same(ok(await there(`${line} ${own}`)), ok(await here(line)), line);
    }
    expect(ok(await there(`backup get ${own} -o name`)).stdout).toContain(set);
    const restored = await there(`restore create ${set} ${own} -n ${namespace} --yes -o json`);
    expect(last(ok(restored))).toMatchObject({ phase: 'Completed' });
    const copy = `${namespace}-copy`;
    ok(
      await there(
        `restore create ${set} --server-namespaces ${namespace},${copy} -n ${namespace} --map-namespace ${namespace}=${copy} --yes`,
      ),
    );
    const { metadata } = await apiJson<{ metadata: { labels: object; annotations?: object } }>(cluster, `/api/v1/namespaces/${copy}`);
    expect(metadata.labels).toEqual({ ...labels, 'kubernetes.io/metadata.name': copy });
    expect(metadata.annotations).toEqual({ owner: 'agents' });
    // Of a set with more in it than theirs there are no figures.
    const whole = ok(await there('backup create -o name -q')).stdout.trim();
    const described = await there(`backup describe ${whole} ${own} -o json`);
    expect(errorOf(described)).toEqual([1, 'REQUEST_FORBIDDEN']);
    expect(described.stdout).not.toContain(cluster.server);
  });

  it('verifies, with the same report and verdict', async () => {
    for (const line of ['verify', 'verify latest -o json']) {
      const [mine, its] = [ok(await here(line)), ok(await there(line))];
      if (line.endsWith('json')) expect(last(its)).toEqual(last(mine));
      else same(its, mine, line);
    }
  });

  it('plans a restore, carries it out with the identity sent along, and compares', async () => {
    expect(last(ok(await there('restore create latest --yes -o json')))).toMatchObject({ phase: 'Completed', writes: 0 });
    await apiRequest(cluster, configMap('tools'), { method: 'DELETE' });
    const plan = `restore plan latest -n ${namespace} --objects`;
    expect(ok(await there(plan)).stdout).toBe(ok(await here(plan)).stdout);
    const validated = `validate latest -n ${namespace} --no-platform`;
    const [mine, its] = [await here(validated), await there(validated)];
    expect([mine.exit, its.exit]).toEqual([4, 4]);
    expect(comparable(its.stdout)).toBe(comparable(mine.stdout));
    const restored = ok(await there('restore create latest --yes --validate -o json'));
    expect(last(restored)).toMatchObject({
      message_type: 'summary',
      phase: 'Completed',
      totals: { create: 1 },
      validation: { state: 'passed' },
    });
    expect((await apiRequest(cluster, configMap('tools'))).status).toBe(200);
  });

  it('names an identity that the service has, and says where none opens the set', async () => {
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'identity' },
      stringData: { age: await readFile(identity, 'utf8') },
    };
    await apiJson(cluster, '/api/v1/namespaces/default/secrets', { method: 'POST', body: secret });
    ok(await there('restore plan latest --server-identity secret:default/identity/age', { HOLDFAST_IDENTITY: '' }));
    const without = await there('restore plan latest -o json', { HOLDFAST_IDENTITY: '' });
    expect(errorOf(without)).toEqual([12, 'IDENTITY_MISSING']);
    const strange = await there('restore plan latest --server-identity vault:x', { HOLDFAST_IDENTITY: '' });
    expect([strange.exit, strange.stderr]).toEqual([2, expect.stringContaining('secret:NAMESPACE/NAME/KEY')]);
  });

  it('plans retention, holds and releases, and the ledger has who did it and why', async () => {
    ok(await there('hold latest --reason audit'));
    const plan = await there('retention plan --all -o json');
    expect(ok(plan).stdout).toContain('held by alice: audit');
    expect((await there('retention run --yes -o json')).exit).toBe(0);
    ok(await there('release latest --reason over'));
    const again = await there('release latest --reason over');
    expect([again.exit, again.stderr]).toEqual([10, expect.stringContaining('is not held')]);
    for (const line of ['ledger get -o json', 'ledger get --action set.released', 'ledger verify -o json']) {
      same(ok(await there(line)), ok(await here(line)), line);
    }
    const { entries } = JSON.parse((await there('ledger get --action set.released -o json')).stdout);
    expect(entries[0]).toMatchObject({ actor: { name: 'alice', via: 'api' }, details: { reason: 'over' } });
    const head = (await there('ledger verify -o name')).stdout.trim();
    ok(await there(`ledger verify --expect ${head}`));
    expect((await there(`ledger verify --expect ${head.replace(/.{8}$/, '00000000')}`)).exit).toBe(4);
  });

  it('shows what a deletion would take, refuses what must stay, and deletes, as without a service', async () => {
    const take = async () => ok(await there('backup create --tier scratch -o name -q')).stdout.trim();
    const [victim, other] = [await take(), await take()];
    for (const line of [`backup delete ${victim} --dry-run -o json`, `backup delete ${victim} ${other} --dry-run -o yaml`]) {
      same(ok(await there(line)), ok(await here(line)), line);
    }
    for (const line of ['backup delete latest --yes -o json', `backup delete ${victim} -o json`]) {
      expect(errorOf(await there(line))).toEqual([2, 'USAGE']);
    }
    ok(await there(`hold ${victim} --reason audit`));
    const [its, mine] = [await there(`backup delete ${victim} --yes -o json`), await here(`backup delete ${victim} --yes -o json`)];
    expect([its.exit, mine.exit]).toEqual([1, 1]);
    expect(documents(its.stdout)).toEqual(documents(mine.stdout));
    ok(await there(`release ${victim} --reason over`));
    const refused = await there(`backup delete ${victim} --yes -o json`, { HOLDFAST_SERVER_TOKEN_FILE: join(dir, 'victor') });
    expect(errorOf(refused)).toEqual([1, 'REQUEST_FORBIDDEN']);
    const gone = last(ok(await there(`backup delete ${victim} --yes --reason scratch -o json`)));
    expect(gone).toMatchObject({ message_type: 'summary', items: [{ set: victim, result: 'deleted', message: '' }] });
    const deleted = ok(await here(`backup delete ${other} --yes`));
    expect(deleted.stdout).toContain('✓ 1 backup deleted.');
    const left = async () => {
      const { stdout } = ok(await there('backup get -o name'));
      return [victim, other].filter(set => stdout.includes(set));
    };
    // The service sees at its next look what another process deleted.
    await expect.poll(left, { timeout: 60_000, interval: 500 }).toEqual([]);
    expect((await there(`backup delete ${victim} --yes`)).exit).toBe(10);
    const { entries } = JSON.parse((await there('ledger get --action set.deleted -o json')).stdout);
    expect(entries[1]).toMatchObject({
      subject: victim,
      actor: { name: 'alice', via: 'api' },
      details: { reasons: [expect.stringContaining('scratch'), expect.any(String)] },
    });
  });

  it('has the exit codes and errors of the service', async () => {
    const refused = await there('backup create -o json', { HOLDFAST_SERVER_TOKEN_FILE: join(dir, 'victor') });
    expect(errorOf(refused)).toEqual([1, 'REQUEST_FORBIDDEN']);
    expect((await there('backup describe 1999')).exit).toBe(10);
    await writeFile(join(dir, 'nobody'), 'no-token-that-anybody-knows');
    const unknown = await there('backup get -o json', { HOLDFAST_SERVER_TOKEN_FILE: join(dir, 'nobody') });
    expect(errorOf(unknown)).toEqual([1, 'REQUEST_UNAUTHENTICATED']);
    const away = await there('backup get -o json', { HOLDFAST_SERVER_URL: 'http://127.0.0.1:1' });
    expect(errorOf(away)).toEqual([1, 'SERVICE_UNREACHABLE']);
    expect((await there('version')).exit).toBe(0);
  });

  it('refuses a line that says where things are, and also who has them', async () => {
    const both = await there(`backup get --location ${join(dir, 'repository')}`);
    expect([both.exit, both.stderr]).toEqual([2, expect.stringContaining('--location means nothing to the service')]);
    const local = await there('init --server https://holdfast.example.org');
    expect([local.exit, local.stderr]).toEqual([2, expect.stringContaining('init is not done by a service')]);
  });

  it('says of the upkeep of volumes why a service is not asked for it', async () => {
    const asked = await there('volumes upkeep');
    expect([asked.exit, asked.stderr]).toEqual([
      2,
      expect.stringMatching(/does it by itself, after every run of retention[\s\S]*retention run/),
    ]);
  });
});

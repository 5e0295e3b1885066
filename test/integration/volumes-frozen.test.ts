import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { configMaps, leases, pods } from '../../src/volumes/kinds.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import { createClaim, deletePod, exec, startPod } from '../cluster/pods.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { describeOnNode } from '../cluster/with-node.ts';
import { holdfast, mainFile } from '../helpers/command.ts';
import { connect } from '../helpers/journey.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { startServe } from '../helpers/serve-process.ts';
import { work as demand } from '../helpers/service-work.ts';
import { makeNamespace, nameOf, never } from '../helpers/volumes.ts';

const home = 'holdfast';
const app = { namespace: 'agents', name: 'database' };
const freeze = 'touch /tmp/frozen; echo quiesce >> /tmp/hooks';
/** Fails where nothing is frozen, as `fsfreeze --unfreeze` does. */
const thaw = 'rm /tmp/frozen && echo thaw >> /tmp/hooks';
const volumes = 'volumes: {namespace: holdfast, capture: snapshots}\n';

/** A backup is killed with SIGKILL while a pod is frozen. */
describeOnNode('a pod that a killed backup has left frozen', cluster => {
  let api: ClusterApi;
  let objects: Objects;
  let work: string;
  let flags: string[];

  beforeAll(async () => {
    api = await connect(cluster());
    objects = createObjects(api, testRuntime);
    work = await tempDir('frozen');
    await writeFile(join(work, 'holdfast.yaml'), volumes);
    const where = ['--location', `file://${join(work, 'repository')}`, '--keys-dir', join(work, 'keys')];
    flags = ['--config', join(work, 'holdfast.yaml'), ...where, '--kubeconfig', cluster().kubeconfig];
    for (const name of [home, app.namespace]) await makeNamespace(objects, name);
    await createClaim(cluster(), { namespace: app.namespace, name: 'data' });
    expect((await holdfast(['keys', 'generate', '--out', join(work, 'keys')])).exit).toBe(0);
    expect((await holdfast(['init', ...flags])).exit).toBe(0);
  });
  afterAll(async () => {
    await api?.close();
  });
  afterEach(async () => {
    await cluster().node.csi.setFaults({});
    await deletePod(cluster(), app);
  });

  const startApp = async () => {
    await startPod(cluster(), { ...app, command: 'sleep 10000', claims: { '/data': 'data' } });
    await hooks(thaw);
  };
  const hooks = (thawHook: string, quiesceHook = freeze) => {
    const annotations = {
      'backup.holdfast.dev/quiesce': quiesceHook,
      'backup.holdfast.dev/thaw': thawHook,
      'backup.holdfast.dev/hook-timeout': '100s',
    };
    return objects.merge(pods, app.namespace, app.name, { metadata: { annotations } }, never);
  };
  const ran = async () => (await exec(cluster(), app, ['cat', '/tmp/hooks'])).stdout;
  const frozen = async () => (await exec(cluster(), app, ['test', '-e', '/tmp/frozen'])).exitCode === 0;
  const notes = (): Promise<JsonObject[]> =>
    objects.list(configMaps, { namespace: home, labelSelector: 'holdfast.dev/role=frozen' }, never);
  const create = ['backup', 'create', '--include-namespaces', app.namespace];

  /** Between quiesce and thaw; the driver is slow to take the snapshot. */
  const killFrozen = async () => {
    await cluster().node.csi.setFaults({ CreateSnapshot: { delayMs: 40_000 } });
    const child = spawn(process.execPath, [mainFile, ...create, ...flags], { stdio: 'ignore' });
    const ended = new Promise<string | null>(resolve => child.once('exit', (_code, by) => resolve(by)));
    await waitFor('the pod is frozen', frozen, { timeoutMs: 120_000, intervalMs: 100 });
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    await cluster().node.csi.setFaults({});
    expect(await frozen()).toBe(true);
  };
  /** As after 25 seconds in which nobody has renewed it. */
  const runIsOver = async () => {
    for (const lease of await objects.list(leases, { namespace: home }, never)) await objects.remove(leases, home, nameOf(lease), never);
  };
  /** As when the lease of a service that was killed has run out. */
  const leadIsOver = () => objects.remove(leases, 'default', 'holdfast', never);

  test('is thawed by the next backup before it is frozen again', async () => {
    await startApp();
    await killFrozen();
    expect(await notes()).toMatchObject([{ data: { pod: 'agents/database', container: 'main' } }]);
    const next = await holdfast([...create, ...flags]);
    expect(next.exit, next.stdout + next.stderr).toBe(0);
    expect(next.stderr).toMatch(/pods agents\/database was left frozen by 20\S+, since 20\S+: it is thawed now/);
    expect(await ran()).toBe('quiesce\nthaw\nquiesce\nthaw\n');
    expect(await notes()).toEqual([]);
    expect((await holdfast([...create, ...flags])).stderr).not.toContain('left frozen');
  });

  test('is thawed by a service when it begins', async () => {
    await startApp();
    await killFrozen();
    const options = { dir: work, name: 'service', kubeconfig: cluster().kubeconfig, keysDir: join(work, 'keys') };
    const service = await startServe({ ...options, location: `file://${join(work, 'repository')}`, more: `policies: {}\n${volumes}` });
    try {
      await service.said('leading', 90_000);
      await runIsOver();
      expect(await service.said('a pod that was left frozen was thawed', 90_000)).toMatchObject({
        message: expect.stringContaining('pods agents/database was left frozen'),
      });
      expect(await ran()).toBe('quiesce\nthaw\n');
      expect(await notes()).toEqual([]);
    } finally {
      service.signal('SIGKILL');
    }
  });

  test('is a problem of each backup until it can be thawed, which anybody can have done', async () => {
    await startApp();
    await killFrozen();
    await runIsOver();
    await hooks('echo it will not >&2; exit 1');
    const next = await holdfast([...create, ...flags, '-o', 'json']);
    expect(next.exit, next.stderr).toBe(3);
    const left = (await notes()).map(nameOf);
    expect(left.length).toBeGreaterThan(0);
    expect(next.stdout).toContain('cannot be thawed: thaw hook: exit code 1 in pods agents/database (main): it will not');
    expect(next.stdout).toContain('delete configmaps holdfast/');
    await hooks('rm -f /tmp/frozen');
    await waitFor('the note is older than a second', async () => (await orphans()).length === left.length, { timeoutMs: 60_000 });
    expect(await orphans()).toMatchObject(left.map(() => ({ kind: 'configmaps', claim: 'agents/database' })));
    expect(await orphans('--yes')).toMatchObject(left.map(() => ({ removed: true })));
    expect(await frozen()).toBe(false);
    expect(await notes()).toEqual([]);
  });

  test('by the hooks of the configuration is thawed by what the configuration says', async () => {
    const hook = { namespaces: [app.namespace], container: 'main', quiesce: freeze, thaw: ['sh', '-c', thaw], timeout: '100s' };
    const settings = { namespace: home, capture: 'snapshots', hooks: [hook] };
    await writeFile(join(work, 'holdfast.yaml'), JSON.stringify({ volumes: settings }));
    try {
      await startPod(cluster(), { ...app, command: 'sleep 10000', claims: { '/data': 'data' } });
      await killFrozen();
      expect(await notes()).toMatchObject([{ data: { pod: 'agents/database', thaw: 'a rule of hooks in the configuration' } }]);
      await runIsOver();
      const next = await holdfast([...create, ...flags]);
      expect(next.exit, next.stdout + next.stderr).toBe(0);
      expect(next.stderr).toMatch(/pods agents\/database was left frozen by 20\S+, since 20\S+: it is thawed now/);
      expect(await ran()).toBe('quiesce\nthaw\nquiesce\nthaw\n');
      expect(await notes()).toEqual([]);
    } finally {
      await writeFile(join(work, 'holdfast.yaml'), volumes);
    }
  });

  test('by the hooks of a policy is thawed by those, whatever else the configuration says of the pod', async () => {
    const hook = { namespaces: [app.namespace], quiesce: freeze, thaw, timeout: '100s' };
    const tiers = { nightly: { schedule: '0 3 1 1 *', keep: '2y', parts: ['resources', 'volumeSnapshots'] } };
    const databases = { selection: { includeNamespaces: [app.namespace] }, hooks: [hook], initialBackup: false, tiers };
    const others = { namespace: home, hooks: [{ quiesce: 'exit 1', thaw: 'exit 1' }] };
    const more = `policies: ${JSON.stringify({ other: { ...databases, hooks: others.hooks }, databases })}\nvolumes: ${JSON.stringify(others)}\n`;
    const options = {
      dir: work,
      kubeconfig: cluster().kubeconfig,
      keysDir: join(work, 'keys'),
      location: `file://${join(work, 'repository')}`,
      more,
    };
    await startPod(cluster(), { ...app, command: 'sleep 10000', claims: { '/data': 'data' } });
    const first = await startServe({ ...options, name: 'first' });
    await first.said('leading', 90_000);
    await cluster().node.csi.setFaults({ CreateSnapshot: { delayMs: 40_000 } });
    const asked = await first.send('POST', 'backups', { policy: 'databases', tier: 'nightly' });
    expect(asked.status, await asked.text()).toBe(202);
    await waitFor('the pod is frozen', frozen, { timeoutMs: 120_000, intervalMs: 100 });
    first.signal('SIGKILL');
    await first.exited;
    await leadIsOver();
    await cluster().node.csi.setFaults({});
    expect(await notes()).toMatchObject([{ data: { thaw: 'a rule of hooks in the configuration' } }]);
    const second = await startServe({ ...options, name: 'second' });
    try {
      await second.said('leading', 90_000);
      await runIsOver();
      await second.said('a pod that was left frozen was thawed', 90_000);
      expect(await ran()).toBe('quiesce\nthaw\n');
      expect(await notes()).toEqual([]);
      // Undisturbed, it is frozen and thawed by the same.
      const { phase } = await demand(second, 'backups', { policy: 'databases', tier: 'nightly' });
      expect(phase).toBe('Completed');
      expect(await ran()).toBe('quiesce\nthaw\nquiesce\nthaw\n');
    } finally {
      second.signal('SIGKILL');
    }
  });

  test('is nobody’s business any more once it is gone', async () => {
    await startApp();
    await killFrozen();
    await runIsOver();
    await deletePod(cluster(), app);
    await startApp();
    const next = await holdfast([...create, ...flags]);
    expect(next.exit, next.stdout + next.stderr).toBe(0);
    expect(next.stderr).not.toContain('left frozen');
    expect(await ran()).toBe('quiesce\nthaw\n');
    expect(await notes()).toEqual([]);
  });

  test('is left to the run that froze it while that is at work', async () => {
    await makeNamespace(objects, 'other');
    await createClaim(cluster(), { namespace: 'other', name: 'data' });
    await startApp();
    await hooks(thaw, `${freeze}; while [ ! -e /tmp/go ]; do usleep 100000; done`);
    const first = holdfast([...create, ...flags]);
    await waitFor('the pod is frozen', frozen, { timeoutMs: 120_000, intervalMs: 100 });
    const second = await holdfast(['backup', 'create', '--include-namespaces', 'other', ...flags]);
    expect(second.exit, second.stdout + second.stderr).toBe(0);
    expect(await ran()).toBe('quiesce\n');
    expect(await notes()).toHaveLength(1);
    await exec(cluster(), app, ['touch', '/tmp/go']);
    const { exit, stdout, stderr } = await first;
    expect(exit, stdout + stderr).toBe(0);
    expect(await ran()).toBe('quiesce\nthaw\n');
    expect(await notes()).toEqual([]);
  });

  async function orphans(...more: string[]): Promise<Record<string, unknown>[]> {
    const { stdout, stderr } = await holdfast(['volumes', 'orphans', ...flags, '--older-than', '1s', ...more, '-o', 'json']);
    const found = JSON.parse(stdout || stderr) as Record<'orphans' | 'removed', Record<string, unknown>[]>;
    return (more.length > 0 ? found.removed : found.orphans).filter(({ kind }) => kind === 'configmaps');
  }
});

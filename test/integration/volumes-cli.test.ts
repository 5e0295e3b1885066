import { execFile, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import type { Manifest } from '../../src/domain/backup-set.ts';
import { at, stringAt } from '../../src/domain/json.ts';
import { kindName } from '../../src/domain/resource.ts';
import type { Orphan, UpkeepOutcome } from '../../src/domain/volume-upkeep.ts';
import { manifestKey } from '../../src/repository/layout.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { claims, jobs, namespaces, pods, snapshotContents, volumeSnapshots, volumes } from '../../src/volumes/kinds.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import { dueCheck } from '../../src/volumes/upkeep-rules.ts';
import { binary } from '../cluster/binaries.ts';
import { holdfastReference } from '../cluster/holdfast-image.ts';
import { createClaim, exec, runningPod, runPod, startDeployment } from '../cluster/pods.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { describeOnNodeWithImage } from '../cluster/with-node.ts';
import { holdfast, mainFile } from '../helpers/command.ts';
import { having } from '../helpers/having.ts';
import { connect } from '../helpers/journey.ts';
import { inStorage, keptOf, leaveContent, leaveFilled, leaveMover, leaveTwin, retainContent } from '../helpers/left-over.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { bringBackWithoutUs, stockTools } from '../helpers/stock-tools.ts';
import { makeNamespace, nameOf } from '../helpers/volumes.ts';

/** The repository of the second is due to be read today. */
const claimNames = ['one', nameDue()];
const hashAll = 'cd /data && find . -type f | sort | xargs sha256sum';
const signal = () => AbortSignal.timeout(60_000);

/** The real program, as a person runs it. */
describeOnNodeWithImage('volumes from the command line', cluster => {
  let server: S3Server;
  let api: ClusterApi;
  let objects: Objects;
  let work: string;
  let flags: string[];
  let ledgerFlags: string[];
  let env: Record<string, string>;
  let store: ObjectStore;
  let orphans: string[];
  let before: readonly string[];
  /** The set that has the data of all claims. */
  let first: string;
  /** Sets of snapshots alone, oldest first. */
  const sets: Manifest[] = [];

  beforeAll(async () => {
    const restic = await binary('restic');
    server = await startMinio({ address: cluster().node.hostAddress });
    await server.createBucket('backups');
    api = await connect(cluster());
    objects = createObjects(api, testRuntime);
    work = await tempDir('volumes');
    await symlink(restic, join(work, 'restic'));
    env = { AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey, PATH: `${work}:${process.env['PATH']}` };
    const config = join(work, 'holdfast.yaml');
    const mover = `{image: ${holdfastReference}, imagePullPolicy: Never}`;
    await writeFile(config, `volumes: {namespace: holdfast, capture: data, mover: ${mover}, snapshotTimeout: 60s}\n`);
    ledgerFlags = ['--config', config, ...locationFlags('cli'), '--keys-dir', join(work, 'keys')];
    flags = [...ledgerFlags, '--kubeconfig', cluster().kubeconfig];
    for (const name of ['holdfast', 'agents']) await makeNamespace(objects, name);
    const write = 'cd /data && mkdir -p src && head -c 20000000 /dev/urandom > blob && echo hello > src/greeting && sync';
    await Promise.all(
      claimNames.map(async name => {
        await createClaim(cluster(), { name, namespace: 'agents', size: '64Mi' });
        await runPod(cluster(), { name: `writes-${name}`, namespace: 'agents', command: write, claims: { '/data': name } });
      }),
    );
    before = await hashes();
    expect((await run(['keys', 'generate', '--out', join(work, 'keys')])).exit).toBe(0);
    const made = await run(['init', ...flags]);
    expect(made.exit, made.stderr).toBe(0);
    const backup = await run(['backup', 'create', ...flags, '--include-namespaces', 'agents', '-o', 'name']);
    expect(backup.exit, backup.stdout + backup.stderr).toBe(0);
    first = backup.stdout.trim();
    flags.push('--identity', join(work, 'keys', 'operator.identity'));
    orphans = ['volumes', 'orphans', ...flags, '--older-than', '1s'];
    store = storeIn('cli');
  }, 400_000);
  afterAll(async () => {
    await store?.close();
    await api?.close();
    await server?.stop();
  });

  const run = (args: readonly string[]) => holdfast(args, { env });
  const locationFlags = (prefix: string) => ['--location', `s3://backups/${prefix}?endpoint=${server.endpoint}&pathStyle=true`];
  const storeIn = (prefix: string) => {
    const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
    return createS3Store({ endpoint: server.endpoint, bucket: 'backups', prefix, credentials, forcePathStyle: true });
  };

  async function hashOf(claim: string): Promise<string> {
    const { log, exitCode } = await runPod(cluster(), {
      ...{ name: `hash-${claim}`, namespace: 'agents', command: hashAll, claims: { '/data': claim } },
    });
    expect(exitCode, log).toBe(0);
    return log;
  }
  const hashes = (): Promise<string[]> => Promise.all(claimNames.map(hashOf));

  test('lists the claims of a backup and the files of one', async () => {
    const listed = await run(['volumes', 'ls', 'latest', ...flags, '-o', 'json']);
    expect(listed.exit, listed.stderr).toBe(0);
    expect(JSON.parse(listed.stdout).volumes).toMatchObject([
      { claim: 'one', state: 'captured', data: { files: 2 } },
      { claim: claimNames[1], state: 'captured' },
    ]);
    const files = await run(['volumes', 'files', 'latest', 'agents/one', '/', '-r', ...flags, '-o', 'name']);
    expect(files.exit, files.stderr).toBe(0);
    expect(files.stdout.trim().split('\n').sort()).toEqual(['/blob', '/src', '/src/greeting']);
    const none = await run(['volumes', 'files', 'latest', 'agents/one', '/nothing', ...flags]);
    expect(none).toMatchObject({ exit: 3, stderr: expect.stringContaining('there is no folder /nothing') });
  });

  /** With what a location has of a set and its claim `one`, and an identity; the folder that it came back into. */
  async function withoutUs(prefix: string, from: ObjectStore, set: string): Promise<string> {
    const programs = await stockTools();
    const copy = await tempDir('without-us');
    // What any S3 client would fetch.
    for (const key of [manifestKey(set), 'volumes/agents/one/password.age']) {
      await mkdir(dirname(join(copy, key)), { recursive: true });
      await writeFile(join(copy, key), from.get(key));
    }
    for (const out of ['all', 'file']) await mkdir(join(copy, out));
    const variables = {
      ...{ REPO: copy, SET: set, NAMESPACE: 'agents', CLAIM: 'one', FILE: '/data/src/greeting', HOME: copy },
      ...{ IDENTITY: join(work, 'keys', 'operator.identity'), SIGNING_KEY: join(work, 'keys', 'signing.pub') },
      ...{ AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey },
      RESTIC_REPOSITORY: `s3:${server.endpoint}/backups/${prefix}/volumes/agents/one`,
    };
    for (const what of ['all', 'file'] as const)
      await bringBackWithoutUs({ programs, what, variables: { ...variables, OUT: join(copy, what) } });
    return copy;
  }

  having('jq', 'openssl').it('comes back from the bucket by age, restic and a shell, as docs/volumes-without-us.md says', async () => {
    const copy = await withoutUs('cli', store, first);
    const hashed = await promisify(execFile)('sh', ['-c', hashAll.replace('/data', join(copy, 'all/data'))]);
    expect(hashed.stdout).toBe(before[0]);
    expect(await readdir(join(copy, 'file/data'), { recursive: true })).toEqual(['src', 'src/greeting']);
    expect(await readFile(join(copy, 'file/data/src/greeting'), 'utf8')).toBe('hello\n');
  });

  having('jq', 'openssl').it('a second location of the same cluster has all that it takes, too', { timeout: 400_000 }, async () => {
    const second = [...ledgerFlags, '--kubeconfig', cluster().kubeconfig, ...locationFlags('second')];
    const made = await run(['init', ...second]);
    expect(made.exit, made.stderr).toBe(0);
    const backup = await run(['backup', 'create', ...second, '--include-namespaces', 'agents', '-o', 'name']);
    expect(backup.exit, backup.stdout + backup.stderr).toBe(0);
    const from = storeIn('second');
    try {
      const copy = await withoutUs('second', from, backup.stdout.trim());
      expect(await readFile(join(copy, 'file/data/src/greeting'), 'utf8')).toBe('hello\n');
    } finally {
      await from.close();
    }
  });

  test('kill -9 in the middle of a restore: the same command brings every byte back, once', async () => {
    await objects.remove(namespaces, '', 'agents', signal());
    for (const snapshot of await objects.list(volumeSnapshots, { namespace: 'holdfast' }, signal())) {
      await objects.remove(volumeSnapshots, 'holdfast', stringAt(snapshot, 'metadata', 'name') ?? '', signal());
    }
    const gone = async () => {
      const all = await objects.list(volumes, {}, signal());
      return all.length === 0 && (await objects.read(namespaces, '', 'agents', signal())) === undefined;
    };
    await waitFor('everything is gone', gone, { timeoutMs: 120_000, intervalMs: 300 });
    const create = ['restore', 'create', 'latest', ...flags, '--yes', '-o', 'json'];
    // Once while movers work, once as soon as a volume has been reserved.
    await killWhen(create, async () => (await objects.list(jobs, { namespace: 'holdfast' }, signal())).length > 0);
    await killWhen(create, async () => {
      const all = await objects.list(volumes, { labelSelector: 'holdfast.dev/role=restore' }, signal());
      return all.length > 0;
    });
    const again = await run(create);
    expect(again.exit, again.stdout + again.stderr).toBe(0);
    expect(await hashes()).toEqual(before);
    expect(await objects.list(claims, { namespace: 'holdfast' }, signal())).toEqual([]);
    expect(await objects.list(volumes, {}, signal())).toHaveLength(2);
    expect(await found()).toEqual([]);
    const idle = await run(create);
    expect(idle.exit, idle.stderr).toBe(0);
    expect(JSON.parse(idle.stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ writes: 0 });
  });

  test('finds what is left over, and removes it when told to', async () => {
    const labels = { 'holdfast.dev/work': '20260101T000000Z-daily-aaaa', 'holdfast.dev/role': 'restore' };
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } };
    await objects.create(claims, { metadata: { name: 'left', namespace: 'holdfast', labels }, spec }, signal());
    const young = await run(['volumes', 'orphans', ...flags, '-o', 'name']);
    expect(young).toMatchObject({ exit: 0, stdout: '' });
    await waitFor('it is older than a second', async () => (await found()).length === 1, { timeoutMs: 60_000, intervalMs: 500 });
    const removed = await run([...orphans, '--yes', '-o', 'json']);
    expect(removed.exit, removed.stderr).toBe(0);
    expect(JSON.parse(removed.stdout).removed).toMatchObject([{ name: 'left', removed: true }]);
    expect(await objects.list(claims, { namespace: 'holdfast' }, signal())).toEqual([]);
    const told = await run(['ledger', 'get', ...ledgerFlags, '--action', 'volumes.orphans-removed', '-o', 'json']);
    expect(JSON.parse(told.stdout).entries, told.stderr).toMatchObject([
      { subject: 'volumes', actor: { via: 'cli' }, details: { removed: ['persistentvolumeclaims holdfast/left'], failed: 0 } },
    ]);
  });

  test('the ledger has what became of the claims of a backup', async () => {
    const told = await run(['ledger', 'get', ...ledgerFlags, '--action', 'backup.completed', '-o', 'json']);
    expect(JSON.parse(told.stdout).entries, told.stderr).toMatchObject([
      { details: { volumes: { claims: 2, snapshotted: 2, moved: 2, notProtected: 0, failed: 0, bytes: 40_000_012 } } },
    ]);
  });

  test('keeps the newest three snapshots of each claim, where nobody has said how many', { timeout: 400_000 }, async () => {
    const args = ['backup', 'create', ...flags, '--include-namespaces', 'agents', '--volumes', 'snapshots', '-o', 'json'];
    for (let number = 0; number < 4; number++) {
      const made = await run(args);
      expect(made.exit, made.stdout + made.stderr).toBe(0);
      sets.push(lastDocument(made.stdout) as Manifest);
    }
    expect(sets.map(({ volumes: records }) => records.map(({ claim }) => claim))).toEqual(sets.map(() => claimNames));
    const kept = sets.slice(1).flatMap(({ volumes: records }) => records.map(keptOf));
    const names = async () => (await objects.list(volumeSnapshots, {}, signal())).map(nameOf).sort();
    await expect.poll(names, { timeout: 60_000, interval: 300 }).toEqual(kept.map(({ name }) => name).sort());
    await expect.poll(() => inStorage(cluster(), 'snapshots'), { timeout: 60_000 }).toEqual(kept.map(({ handle }) => handle).sort());
  });

  test('finds one of each kind that is left over, and removes all of it from cluster and storage; what a set names and what is at work stays', {
    timeout: 400_000,
  }, async () => {
    const [, survives, retained, deleted] = sets.map(({ volumes: records }) => records.map(keptOf));
    const [a, b] = survives ?? [];
    const [c, d] = retained ?? [];
    const [e, f] = deleted ?? [];
    if (!a || !b || !c || !d || !e || !f) throw new Error('there are no snapshots');
    // As retention begins with a set: no set names its snapshots any more.
    await store.delete(manifestKey(sets[3]?.id ?? ''));
    await retainContent(objects, f);
    const contents = [await leaveContent(objects, c), await leaveTwin(objects, a, 'twin')];
    const filled = await leaveFilled(api, objects);
    await Promise.all((['ended', 'working'] as const).map(state => leaveMover(objects, state, state)));
    const [snapshotKind = '', contentKind = ''] = [volumeSnapshots, snapshotContents].map(kindName);
    const left = [
      'jobs.batch holdfast/ended',
      'secrets holdfast/ended',
      `persistentvolumes /${filled.name}`,
      ...[e, f].map(({ name }) => `${snapshotKind} holdfast/${name}`),
      ...contents.map(name => `${contentKind} /${name}`),
    ].sort();
    await expect.poll(found, { timeout: 60_000, interval: 500 }).toEqual(left);

    // Which snapshots are named by sets cannot be known while one of them cannot be read.
    const unreadable = manifestKey('20260101T000000Z-daily-aaaa');
    await store.put(unreadable, Buffer.from('{}'));
    const careful = await run([...orphans, '-o', 'json']);
    expect(careful.stderr).toContain('no snapshot counts as left over, since 20260101T000000Z-daily-aaaa cannot be read');
    expect(namesOf(JSON.parse(careful.stdout).orphans)).toEqual(left.filter(name => !name.startsWith(snapshotKind)));
    await store.delete(unreadable);

    const removed = await run([...orphans, '--yes', '-o', 'json']);
    expect(removed.exit, removed.stdout + removed.stderr).toBe(0);
    expect(JSON.parse(removed.stdout).removed).toMatchObject(left.map(() => ({ removed: true })));
    const patience = { timeout: 90_000, interval: 300 };
    await expect.poll(() => inStorage(cluster(), 'snapshots'), patience).toEqual([a, b, d].map(({ handle }) => handle).sort());
    await expect.poll(() => inStorage(cluster(), 'volumes'), patience).toHaveLength(claimNames.length);
    expect(await inStorage(cluster(), 'volumes')).not.toContain(filled.handle);
    await expect.poll(async () => (await objects.list(snapshotContents, {}, signal())).length, patience).toBe(3);
    for (const { name } of [a, b, d]) {
      expect(at(await objects.read(volumeSnapshots, 'holdfast', name, signal()), 'status', 'readyToUse'), name).toBe(true);
    }
    const ofMovers = { namespace: 'holdfast', labelSelector: 'holdfast.dev/role=mover' };
    const owners = async () => (await objects.list(pods, ofMovers, signal())).map(pod => stringAt(pod, 'metadata', 'labels', 'job-name'));
    await expect.poll(owners, patience).toEqual(['working']);
    expect((await objects.list(jobs, ofMovers, signal())).map(nameOf)).toEqual(['working']);
    await objects.remove(jobs, 'holdfast', 'working', signal());
    await expect.poll(found, patience).toEqual([]);
  });

  test('brings one claim back: beside the living one, single files into it, and all of it once nobody uses it', {
    timeout: 400_000,
  }, async () => {
    const restore = async (...args: string[]) => run(['volumes', 'restore', ...args, ...flags, '-o', 'json']);
    const inOne = async (command: string) => {
      const { log } = await runPod(cluster(), { name: 'looks', namespace: 'agents', command, claims: { '/data': 'one' } });
      return log;
    };
    // From the snapshot that outlived what was left over.
    const copied = await restore(sets[1]?.id ?? '', 'agents/one', '--to', 'agents/copy');
    expect(copied.exit, copied.stdout + copied.stderr).toBe(0);
    expect(lastDocument(copied.stdout)).toMatchObject({ namespace: 'agents', claim: 'copy', state: 'filled', source: 'snapshot' });
    expect(await hashOf('copy')).toBe(before[0]);

    const change = 'cd /data && rm blob && echo bye > src/greeting && echo new > extra && sync';
    await inOne(change);
    const greeting = [first, 'agents/one', '--in-place', '--include', '/src/greeting'];
    const unconfirmed = await restore(...greeting);
    expect(unconfirmed).toMatchObject({ exit: 2, stderr: expect.stringContaining('nobody is here to confirm it') });
    const one = await restore(...greeting, '--yes');
    expect(one.exit, one.stdout + one.stderr).toBe(0);
    expect(lastDocument(one.stdout)).toMatchObject({ claim: 'one', state: 'filled', source: 'repository' });
    expect(await inOne('cd /data && find . -type f | sort && cat src/greeting extra')).toBe('./extra\n./src/greeting\nhello\nnew\n');

    const app = { name: 'app', namespace: 'agents', command: 'sleep 10000', claims: { '/data': 'one' } };
    const pod = await startDeployment(cluster(), app);
    const all = [first, 'agents/one', '--in-place', '--delete-others', '--yes'];
    const refused = await restore(...all);
    expect(refused).toMatchObject({ exit: 3, stderr: expect.stringContaining(pod) });
    const scaled = await restore(...all, '--scale-down');
    expect(scaled.exit, scaled.stdout + scaled.stderr).toBe(0);
    const again = await runningPod(cluster(), app);
    expect(again).not.toBe(pod);
    expect((await exec(cluster(), { name: again, namespace: 'agents' }, ['sh', '-c', hashAll])).stdout).toBe(before[0]);
    const told = await run(['ledger', 'get', ...ledgerFlags, '--action', 'restore.ended', '-o', 'json']);
    const phases = (JSON.parse(told.stdout).entries as { details: { phase: string; volume?: object } }[])
      .filter(({ details }) => details.volume !== undefined)
      .map(({ details }) => details.phase);
    expect(phases.sort()).toEqual(['Completed', 'Completed', 'Completed', 'Failed']);
  });

  test('keeps repositories up where no service does it, and lets go of nothing that is young or named', async () => {
    const due = () => claimNames.filter(claim => dueCheck(`volumes/agents/${claim}/`, new Date()) !== undefined);
    const dueBefore = due();
    const done = await run(['volumes', 'upkeep', ...flags, '-o', 'json']);
    expect(done.exit, done.stdout + done.stderr).toBe(0);
    const { items, repositories, notices } = lastDocument(done.stdout) as UpkeepOutcome;
    expect({ repositories, notices }).toEqual({ repositories: claimNames.length, notices: [] });
    expect(items.map(({ state, forgotten }) => ({ state, forgotten }))).toEqual(items.map(() => ({ state: 'done', forgotten: 0 })));
    // Midnight may come in between.
    expect([dueBefore, due()]).toContainEqual(items.map(({ repository }) => repository.split('/').at(-2)));
    const files = await run(['volumes', 'files', first, 'agents/one', '/', '-r', ...flags, '-o', 'name']);
    expect(files.stdout.trim().split('\n').sort(), files.stderr).toEqual(['/blob', '/src', '/src/greeting']);
  });

  /** What counts as left over: its kinds, namespaces and names. */
  async function found(): Promise<string[]> {
    const { stdout, stderr } = await run([...orphans, '-o', 'json']);
    return namesOf(JSON.parse(stdout || stderr).orphans);
  }

  async function killWhen(args: readonly string[], reached: () => Promise<boolean>): Promise<void> {
    const child = spawn(process.execPath, [mainFile, ...args], { stdio: 'ignore', env: { ...process.env, ...env } });
    const ended = new Promise<string | null>(resolve => child.once('exit', (_code, by) => resolve(by)));
    await waitFor('the moment to kill', reached, { timeoutMs: 120_000, intervalMs: 50 });
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
  }
});

/** The last line, or the only document. */
function lastDocument(stdout: string): unknown {
  return JSON.parse(stdout.startsWith('{\n') ? stdout : (stdout.trim().split('\n').at(-1) ?? ''));
}

function namesOf(some: readonly Orphan[]): string[] {
  return some.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`).sort();
}

function nameDue(): string {
  for (let number = 2; ; number++) if (dueCheck(`volumes/agents/two-${number}/`, new Date()) !== undefined) return `two-${number}`;
}

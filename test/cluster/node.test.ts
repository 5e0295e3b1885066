import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { apiJson, type KubeObject } from './api-request.ts';
import { startClusterWithNode } from './cluster.ts';
import { lateStorageClass, sizedStorageClass, storageClass } from './csi.ts';
import { programEntries } from './images.ts';
import { releaseNode } from './node-space.ts';
import { createClaim, exec, podLog, runPod, startPod } from './pods.ts';
import { startMinio } from './s3.ts';
import { tempDir } from './temp-dir.ts';
import { waitFor } from './wait.ts';
import { describeOnNode } from './with-node.ts';

const snapshots = '/apis/snapshot.storage.k8s.io/v1/namespaces/default/volumesnapshots';

interface Snapshot {
  readonly status?: { readonly readyToUse?: boolean; readonly error?: { readonly message: string } };
}

function snapshot(name: string, claim: string): KubeObject {
  const spec = { volumeSnapshotClassName: storageClass, source: { persistentVolumeClaimName: claim } };
  return { apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshot', metadata: { name }, spec };
}

describeOnNode('a node', cluster => {
  const takeSnapshot = async (name: string, claim: string) => {
    await apiJson(cluster(), snapshots, { method: 'POST', body: snapshot(name, claim) });
  };
  const statusOf = async (name: string) => (await apiJson<Snapshot>(cluster(), `${snapshots}/${name}`)).status;
  const untilReady = (name: string) =>
    waitFor(`snapshot ${name} ready`, async () => (await statusOf(name))?.readyToUse === true, { timeoutMs: 60_000, intervalMs: 100 });

  test.concurrent('is of the version of the API server', async () => {
    const { gitVersion } = await apiJson<{ gitVersion: string }>(cluster(), '/version');
    const node = await apiJson<{ status: { nodeInfo: unknown } }>(cluster(), `/api/v1/nodes/${cluster().node.name}`);
    expect(node.status.nodeInfo).toMatchObject({ kubeletVersion: gitVersion });
  });

  test.concurrent('runs pods: their output, their exit code, and commands in them', async () => {
    expect(await runPod(cluster(), { name: 'ends', command: 'echo "I am $WHO"; exit 4', environment: { WHO: 'a pod' } })).toEqual({
      exitCode: 4,
      log: 'I am a pod\n',
    });
    await startPod(cluster(), { name: 'stays', command: 'echo up; sleep 1000' });
    // It may be called running before its command has run.
    const said = () => podLog(cluster(), { name: 'stays' });
    expect(await waitFor('its output', async () => (await said()) || undefined, { timeoutMs: 60_000 })).toBe('up\n');
    const result = await exec(cluster(), { name: 'stays' }, ['sh', '-c', 'echo out; echo err >&2; exit 3']);
    expect(result).toEqual({ exitCode: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  test.concurrent('gives pods the API server by the name of its service, with a certificate that is valid for it, and an S3 server', async () => {
    const minio = await startMinio({ address: cluster().node.hostAddress });
    await cluster().node.addImage({
      reference: 'localhost/node:1',
      layers: [await programEntries(process.execPath, '/bin/node')],
      entrypoint: ['/bin/node'],
    });
    try {
      const program = `
        const account = '/var/run/secrets/kubernetes.io/serviceaccount/';
        const headers = { authorization: 'Bearer ' + require('fs').readFileSync(account + 'token') };
        const answer = await fetch('https://kubernetes.default.svc/api/v1/namespaces/default/pods', { headers });
        const s3 = await fetch('${minio.endpoint}/minio/health/live');
        console.log(answer.status, (await answer.json()).reason, s3.status);`;
      const spec = {
        containers: [
          {
            name: 'main',
            image: 'localhost/node:1',
            imagePullPolicy: 'Never',
            args: ['--input-type=commonjs', '-e', `(async () => {${program}})()`],
            env: [{ name: 'NODE_EXTRA_CA_CERTS', value: '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt' }],
          },
        ],
        hostAliases: [{ ip: await kubernetesAddress(), hostnames: ['kubernetes.default.svc'] }],
      };
      expect(await runPod(cluster(), { name: 'calls', command: '', spec })).toEqual({ exitCode: 0, log: '403 Forbidden 200\n' });
    } finally {
      await minio.stop();
    }
  });

  const kubernetesAddress = async () => {
    const service = await apiJson<{ spec: { clusterIP: string } }>(cluster(), '/api/v1/namespaces/default/services/kubernetes');
    return service.spec.clusterIP;
  };

  test.concurrent('keeps what a pod wrote to a claim, and a claim from its snapshot has what was there when it was taken', async () => {
    await createClaim(cluster(), { name: 'data' });
    const write = 'head -c 1000000 /dev/urandom > /data/random; mkdir -p /data/a/b; echo deep > /data/a/b/c; ln -s a/b/c /data/link';
    const sums = 'cd /data; find . -type f | sort | xargs sha256sum; readlink link';
    const written = await runPod(cluster(), { name: 'writes', command: `${write}; ${sums}`, claims: { '/data': 'data' } });
    expect(written.exitCode).toBe(0);
    await takeSnapshot('before', 'data');
    await untilReady('before');
    await runPod(cluster(), { name: 'destroys', command: 'rm -rf /data/*; echo other > /data/other', claims: { '/data': 'data' } });
    await createClaim(cluster(), { name: 'copy', snapshot: 'before' });
    expect(await runPod(cluster(), { name: 'reads', command: sums, claims: { '/data': 'copy' } })).toEqual(written);
  });

  test.concurrent('keeps what a pod wrote to the device of a block claim, through a snapshot', async () => {
    await createClaim(cluster(), { name: 'device', volumeMode: 'Block', size: '64Mi', storageClass });
    const pod = { devices: ['/dev/data'], claims: { '/dev/data': 'device' } };
    const write = 'echo begin | dd of=/dev/data conv=notrunc; echo end | dd of=/dev/data bs=1M seek=60 conv=notrunc; sync';
    expect((await runPod(cluster(), { name: 'writes-device', command: write, ...pod })).exitCode).toBe(0);
    await takeSnapshot('device-before', 'device');
    await untilReady('device-before');
    await createClaim(cluster(), { name: 'device-copy', volumeMode: 'Block', size: '64Mi', snapshot: 'device-before' });
    const read = 'head -c 6 /dev/data; dd if=/dev/data bs=1M skip=60 count=1 2>/dev/null | head -c 4; wc -c < /dev/data';
    const copy = { devices: ['/dev/data'], claims: { '/dev/data': 'device-copy' } };
    expect(await runPod(cluster(), { name: 'reads-device', command: read, ...copy })).toEqual({
      exitCode: 0,
      log: 'begin\nend\n67108864\n',
    });
  });

  test.concurrent('has volumes that can be full, and a snapshot of one fills another, also a larger one', async () => {
    await createClaim(cluster(), { name: 'small', storageClass: sizedStorageClass, size: '16Mi' });
    const fill = 'echo kept > /data/kept; dd if=/dev/zero of=/data/rest bs=1M 2>&1 | grep "No space"; rm /data/rest';
    const filled = await runPod(cluster(), { name: 'fills', command: fill, claims: { '/data': 'small' } });
    expect(filled).toEqual({ exitCode: 0, log: expect.stringContaining('No space left on device') });
    await startPod(cluster(), { name: 'uses-small', command: 'sleep 1000', claims: { '/data': 'small' } });
    await takeSnapshot('small-before', 'small');
    await untilReady('small-before');
    await createClaim(cluster(), { name: 'larger', storageClass: sizedStorageClass, size: '64Mi', snapshot: 'small-before' });
    const use = 'cat /data/kept; head -c 40000000 /dev/zero > /data/more && echo enough';
    const used = await runPod(cluster(), { name: 'uses-larger', command: use, claims: { '/data': 'larger' } });
    expect(used).toEqual({ exitCode: 0, log: 'kept\nenough\n' });
  });

  test.concurrent('binds a claim of the late class when a pod uses it', async () => {
    await createClaim(cluster(), { name: 'late', storageClass: lateStorageClass });
    expect((await runPod(cluster(), { name: 'uses-late', command: 'touch /data/x', claims: { '/data': 'late' } })).exitCode).toBe(0);
  });

  test('has a driver that fails, and is slow, as it is told: the snapshot has the error, and is ready once the driver is well', async () => {
    await createClaim(cluster(), { name: 'faulty' });
    const { csi } = cluster().node;
    await csi.setFaults({ CreateSnapshot: { message: 'disk on fire' } });
    await takeSnapshot('burning', 'faulty');
    const burning = async () => (await statusOf('burning'))?.error?.message.includes('disk on fire') ?? false;
    await waitFor('the driver’s words on the snapshot', burning, { timeoutMs: 60_000, intervalMs: 100 });
    await csi.setFaults({ CreateSnapshot: { readyAfterMs: 2_000 } });
    await waitFor('taken and not ready', async () => (await statusOf('burning'))?.readyToUse === false, {
      timeoutMs: 60_000,
      intervalMs: 50,
    });
    await untilReady('burning');
    await csi.setFaults({});
    expect((await csi.calls())['CreateSnapshot']).toBeGreaterThan(2);
  });

  test('goes on where it was after its driver was gone', async () => {
    await createClaim(cluster(), { name: 'survives' });
    await runPod(cluster(), { name: 'writes-first', command: 'echo still here > /data/x', claims: { '/data': 'survives' } });
    await cluster().node.csi.stopDriver();
    await cluster().node.csi.startDriver();
    expect(await runPod(cluster(), { name: 'reads-then', command: 'cat /data/x', claims: { '/data': 'survives' } })).toEqual({
      exitCode: 0,
      log: 'still here\n',
    });
  });

  test('keeps its containers while its kubelet is gone, and commands reach them when it is back', async () => {
    await startPod(cluster(), { name: 'runs-on', command: 'while :; do date +%s%N > /tmp/now; usleep 50000; done' });
    await cluster().node.stopKubelet();
    await expect(exec(cluster(), { name: 'runs-on' }, ['cat', '/tmp/now'])).rejects.toThrow();
    await cluster().node.startKubelet();
    const restarts = async () => {
      const pod = await apiJson<{ status: { containerStatuses: readonly { restartCount: number }[] } }>(
        cluster(),
        '/api/v1/namespaces/default/pods/runs-on',
      );
      return pod.status.containerStatuses[0]?.restartCount;
    };
    const reached = async () => (await exec(cluster(), { name: 'runs-on' }, ['test', '-e', '/tmp/now'])).exitCode === 0;
    await waitFor('a command in the pod', reached, { timeoutMs: 60_000, intervalMs: 200 });
    expect(await restarts()).toBe(0);
  });

  test('runs beside another cluster’s node', async () => {
    const other = await startClusterWithNode({ name: 'other' });
    const holdings = await holdingsOf(other.dir);
    try {
      expect(other.node.hostAddress).not.toBe(cluster().node.hostAddress);
      expect((await runPod(other, { name: 'there', command: 'echo there' })).log).toBe('there\n');
      expect((await runPod(cluster(), { name: 'here', command: 'echo here' })).log).toBe('here\n');
      // The files of their images are the same ones.
      const look = 'cat /etc/group; stat -c %a /etc/passwd';
      const change = 'echo changed > /etc/group && chmod 600 /etc/passwd';
      const image = (await runPod(other, { name: 'looks', command: look })).log;
      expect((await runPod(cluster(), { name: 'changes', command: `${change} && ${look}` })).log).toBe('changed\n600\n');
      for (const where of [other, cluster()]) expect((await runPod(where, { name: 'looks-again', command: look })).log).toBe(image);
    } finally {
      await other.destroy();
    }
    expect(await holdings.list()).toEqual([]);
  });

  test('does not lose its link to a cluster that is being removed and had one of that name', async () => {
    const link = await readFile(join(cluster().dir, 'node', 'link'), 'utf8');
    const index = await indexOf(link);
    const other = await tempDir('removed');
    await mkdir(join(other, 'node'));
    await writeFile(join(other, 'node', 'link'), link);
    await writeFile(join(other, 'node', 'link-index'), String(Number(index) - 1));
    execFileSync('/bin/sh', ['-c', releaseNode, 'sh', other]);
    expect(await indexOf(link)).toBe(index);
    expect(await readdir(join(other, 'node'))).toEqual(['link', 'link-index']);
  });

  test('is gone after kill -9 of the process that started it: no process, mount, link, loop device, control group or file is left', async () => {
    const script = `
      import { startClusterWithNode } from ${JSON.stringify(join(import.meta.dirname, 'cluster.ts'))};
      import { createClaim, startPod } from ${JSON.stringify(join(import.meta.dirname, 'pods.ts'))};
      const cluster = await startClusterWithNode({ name: 'killed' });
      await createClaim(cluster, { name: 'device', volumeMode: 'Block', size: '8Mi' });
      await createClaim(cluster, { name: 'folder' });
      const claims = { '/dev/data': 'device', '/data': 'folder' };
      await startPod(cluster, { name: 'holds', command: 'sleep 1000', claims, devices: ['/dev/data'] });
      console.log(cluster.dir);
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let holdings: Holdings;
    try {
      const [dir] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
      holdings = await holdingsOf(dir);
      const before = (await holdings.list()).join('\n');
      for (const kind of ['process', 'process in the space', 'link', 'loop device', 'control group', 'file']) {
        expect(before).toContain(`${kind}: `);
      }
    } finally {
      child.kill('SIGKILL');
    }
    await waitFor('everything gone', async () => (await holdings.list()).length === 0, { timeoutMs: 60_000, intervalMs: 200 });
  });
});

interface Holdings {
  /** Each thing that this machine has of a cluster, in words. */
  list(): Promise<string[]>;
}

/** To be called while the cluster runs: its files say how its link and namespaces are called. */
async function holdingsOf(dir: string): Promise<Holdings> {
  const name = basename(dir);
  const files = ['link', 'link-index', 'init'].map(file => readFile(join(dir, 'node', file), 'utf8'));
  const [link = '', index = '', init = ''] = await Promise.all(files);
  const namespace = await readlink(`/proc/${init.trim()}/ns/net`);
  const output = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8' }).split('\n');
  const mine = (kind: string, lines: readonly string[]) => lines.filter(line => line.includes(name)).map(line => `${kind}: ${line}`);
  return {
    list: async () => [
      ...mine('process', output('ps', '-e', '-ww', '-o', 'pid=,args=')),
      ...(await processesIn(namespace)).map(pid => `process in the space: ${pid}`),
      ...mine('mount', output('cat', '/proc/self/mountinfo')),
      ...mine('loop device', output('losetup', '--list', '--noheadings', '--output', 'NAME,BACK-FILE')),
      ...mine('control group', output('find', '/sys/fs/cgroup', '-maxdepth', '2', '-type', 'd')),
      ...((await indexOf(link)) === index ? [`link: ${link}`] : []),
      ...(await readdir(tmpdir())).filter(entry => entry === name).map(entry => `file: ${entry}`),
    ],
  };
}

/** The kernel gives an index only once, a name again. */
async function indexOf(link: string): Promise<string> {
  return (await readFile(`/sys/class/net/${link}/ifindex`, 'utf8').catch(() => '')).trim();
}

async function processesIn(namespace: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter(entry => /^\d+$/.test(entry));
  const found = await Promise.all(pids.map(async pid => (await readlink(`/proc/${pid}/ns/net`).catch(() => '')) === namespace && pid));
  return found.filter(pid => pid !== false);
}

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { at } from '../../src/domain/json.ts';
import type { VolumeRecord } from '../../src/domain/volume.ts';
import { untilAllowed } from '../cluster/allowed.ts';
import { apiJson, type KubeObject } from '../cluster/api-request.ts';
import { createClaim, deletePod, runPod, startPod } from '../cluster/pods.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { waitFor } from '../cluster/wait.ts';
import { describeOnNodeWithImage } from '../cluster/with-node.ts';
import { commandsUnder, cutAt, installPage, manifests, manifestsDir, prepareCheckout, type ShellRun, shell } from '../helpers/installed.ts';
import { auditedRequests, auditPolicy, rightsIn, rightText, unused } from '../helpers/rights.ts';

/** A rollout, or a few backups, on a machine with other things to do. */
const patienceMs = 400_000;
const account = 'system:serviceaccount:holdfast:holdfast';
/** There before the API server is, which shall write its log there. */
const dir = await tempDir('deployed');
const auditLog = join(dir, 'audit.log');
await writeFile(join(dir, 'audit.yaml'), auditPolicy(account));

/** Rights that the API server’s log does not tell of here, and what uses them. */
const explained: Readonly<Record<string, string>> = {
  'ClusterRole holdfast-volume-hooks: create pods/exec': 'asked for within the get that a WebSocket begins with; the log has the get',
};

const hooks = {
  'backup.holdfast.dev/quiesce': 'echo quiesce >> /data/hooks',
  'backup.holdfast.dev/thaw': 'echo thaw >> /data/hooks',
};
/** Some of what each of the two grants gives. */
const hooksAndLiveReads = [
  { resource: 'pods', subresource: 'exec', verb: 'create', namespace: 'agents' },
  { resource: 'configmaps', verb: 'create', namespace: 'holdfast-volumes' },
  { group: 'batch', resource: 'jobs', verb: 'create', namespace: 'agents' },
];
const backUp = 'holdfast backup create --include-namespaces agents --cluster-scoped always --volumes data --token-file ci.token -o json';

/** The Deployment in pods of a real node, by the overlay of docs/install.md: it runs under its limits, and volumes take no right that it has not. */
describeOnNodeWithImage(
  'the Deployment',
  cluster => {
    let store: S3Server;
    let address: string;

    beforeAll(async () => {
      store = await startMinio({ address: cluster().node.hostAddress });
      await store.createBucket('holdfast-backups');
      await prepareCheckout(dir);
      await writeFile(join(dir, 's3.env'), `AWS_ACCESS_KEY_ID=${store.accessKey}\nAWS_SECRET_ACCESS_KEY=${store.secretKey}\n`);
      await writeOverlay();
      await ran('kubectl create namespace agents');
      await Promise.all(['one', 'two', 'three'].map(name => createClaim(cluster(), { name, namespace: 'agents', size: '64Mi' })));
      await inPod('one', 'echo first > /data/file');
      await startPod(cluster(), { name: 'busy', namespace: 'agents', command: 'sleep 10000', claims: { '/data': 'two' } });
    }, patienceMs);
    afterAll(() => store?.stop());

    const run = (commands: string): Promise<ShellRun> =>
      shell(dir, commands, {
        ...{ KUBECONFIG: cluster().kubeconfig, AWS_ACCESS_KEY_ID: store.accessKey, AWS_SECRET_ACCESS_KEY: store.secretKey },
        ...(address !== undefined && { HOLDFAST_SERVER_URL: `https://${address}:8443`, HOLDFAST_SERVER_CA_FILE: 'tls.crt' }),
      });
    async function ran(commands: string): Promise<string> {
      const { exit, said } = await run(commands);
      expect(exit, said).toBe(0);
      return said;
    }
    async function inPod(claim: string, command: string): Promise<string> {
      const { log, exitCode } = await runPod(cluster(), {
        name: `look-${claim}`,
        namespace: 'agents',
        command,
        claims: { '/data': claim },
      });
      expect(exitCode, log).toBe(0);
      return log;
    }
    const refusals = async () =>
      (await auditedRequests(auditLog)).filter(({ status }) => status === 403).map(({ verb, uri }) => `${verb} ${uri}`);

    it(
      'comes up as two replicas under Pod Security “restricted”, ready by its own probes',
      async () => {
        await ran('kubectl apply --server-side -f deploy/kubernetes/namespaces.yaml -f deploy/kubernetes/services.yaml');
        const service = await apiJson<KubeObject>(cluster(), '/api/v1/namespaces/holdfast/services/holdfast');
        const clusterIp = String(at(service['spec'] as never, 'clusterIP'));
        const ours = (commands: string) =>
          commands
            .replaceAll('deploy/kubernetes/holdfast.yaml', 'overlay/holdfast.yaml')
            .replaceAll('-k deploy/kubernetes', '-k overlay')
            .replaceAll('DNS:localhost', `DNS:localhost,IP:${clusterIp}`);
        for (const heading of ['Keys and repository', 'Secrets']) await ran(ours(await commandsUnder(heading)));
        const [apply, looks] = cutAt(ours(await commandsUnder('Apply')), 'kubectl logs');
        const rolled = await run(apply);
        expect(rolled.exit, rolled.said + (await run('kubectl describe pods -n holdfast')).said).toBe(0);
        expect((await ran('kubectl get pods -n holdfast --no-headers')).match(/^holdfast-\S+ +1\/1 +Running/gm)).toHaveLength(2);
        const told = async () => {
          const said = await ran(looks);
          return said.includes('"leading"') && said.includes('LeaderElected');
        };
        await waitFor('log and Events say that a replica leads', told, { timeoutMs: 120_000, intervalMs: 1_000 });
        address = clusterIp;
      },
      patienceMs,
    );

    it(
      'is called through a tunnel to the replica that leads',
      async () => {
        await ran(await commandsUnder('Who may call'));
        const resourceAttributes = { group: 'holdfast.dev', resource: 'backups', verb: 'create' };
        await untilAllowed(cluster(), { user: 'system:serviceaccount:ops:ci' }, resourceAttributes);
        const [tunnel, calls] = cutAt(await commandsUnder('The first backup'), 'export ');
        // At a port that is free, and until the calls are made.
        const said = await ran(`${tunnel.trimEnd().replace(' 8443:8443', ' :8443')} > tunnel.txt 2>&1 &
          tunnel=$!
          trap 'kill $tunnel' EXIT
          until grep -q '^Forwarding from 127' tunnel.txt; do kill -0 $tunnel || { cat tunnel.txt; exit 1; }; sleep 0.2; done
          port=$(sed -nE 's/^Forwarding from 127[.0-9]+:([0-9]+) .*/\\1/p' tunnel.txt)
          ${calls.replaceAll('localhost:8443', 'localhost:$port')}`);
        expect(said).toMatch(/Completed/);
        expect(said).toMatch(/\d backups? verified/);
        expect(await refusals()).toEqual([]);
      },
      patienceMs,
    );

    it(
      'snapshots and moves volumes with the rights that come with it',
      async () => {
        await ran('kubectl create token ci -n ops --audience holdfast --duration 2h > ci.token');
        await ran(`kubectl annotate pvc two three -n agents backup.holdfast.dev/exclude=true`);
        const made = await run(backUp);
        expect(made.exit, made.said).toBe(0);
        expect(await refusals()).toEqual([]);
      },
      patienceMs,
    );

    it(
      'says of hooks and of live reads that it has no right to them, until it is given',
      async () => {
        await ran('kubectl annotate pvc two three -n agents backup.holdfast.dev/exclude-');
        await ran('kubectl annotate pvc three -n agents backup.holdfast.dev/method=live');
        for (const [name, value] of Object.entries(hooks)) await ran(`kubectl annotate pod busy -n agents '${name}=${value}'`);
        const without = await run(backUp);
        expect(without.exit, without.said).toBe(3);
        expect(without.said).toContain('cannot create resource');
        expect((await refusals()).length).toBeGreaterThan(0);
        await ran(
          'kubectl apply --server-side -f deploy/kubernetes/grants/volume-hooks.yaml -f deploy/kubernetes/grants/volume-live-reads.yaml',
        );
        for (const right of hooksAndLiveReads) await untilAllowed(cluster(), { user: account }, right);
        const before = (await refusals()).length;
        const made = await run(backUp);
        expect(made.exit, made.said).toBe(0);
        expect((await refusals()).slice(before)).toEqual([]);
        await deletePod(cluster(), { name: 'busy', namespace: 'agents' });
        expect(await inPod('two', 'cat /data/hooks')).toContain('quiesce\nthaw');
      },
      patienceMs,
    );

    it(
      'brings a volume back with the grant to restore',
      async () => {
        const before = (await refusals()).length;
        const [callers] = cutAt(await commandsUnder('Restores'), 'kubectl apply');
        await ran(callers);
        await ran('kubectl delete pvc one three -n agents');
        await ran('kubectl apply --server-side -f deploy/kubernetes/grants/restore.yaml');
        await untilAllowed(cluster(), { user: account }, { group: '*', resource: '*', verb: 'create' });
        const line = 'holdfast restore create latest -n agents --identity keys/operator.identity --token-file on-call.token --yes';
        const back = await waitFor(
          'the caller may restore',
          async () => {
            const result = await run(line);
            return /REQUEST_FORBIDDEN/.test(result.said) ? undefined : result;
          },
          { timeoutMs: 60_000, intervalMs: 1_000 },
        );
        expect(back.exit, back.said).toBe(0);
        expect(await inPod('one', 'cat /data/file')).toContain('first');
        expect((await refusals()).slice(before)).toEqual([]);
      },
      patienceMs,
    );

    it(
      'says which namespace lets no mover in: Pod Security “baseline” does not',
      async () => {
        const enforce = (level: string) =>
          ran(
            `for namespace in holdfast-volumes agents; do kubectl label namespace $namespace --overwrite pod-security.kubernetes.io/enforce=${level}; done`,
          );
        await enforce('baseline');
        const refused = await run(`${backUp} 2>errors.txt | tail -1`);
        await enforce('privileged');
        expect(refused.exit, refused.said).toBe(3);
        const { volumes } = JSON.parse(refused.said) as { volumes: readonly VolumeRecord[] };
        expect(volumes.map(({ claim }) => claim)).toEqual(['one', 'three', 'two']);
        for (const volume of volumes) expect(JSON.stringify(volume)).toContain('violates PodSecurity');
      },
      patienceMs,
    );

    it('has no right for volumes that is not used', async () => {
      const files = ['rbac/volumes.yaml', 'grants/volume-hooks.yaml', 'grants/volume-live-reads.yaml'];
      const rights = rightsIn((await Promise.all(files.map(manifests))).flat());
      const idle = unused(rights, await auditedRequests(auditLog)).map(rightText);
      expect(idle.filter(text => explained[text] === undefined)).toEqual([]);
      expect(Object.keys(explained).filter(text => !rights.map(rightText).includes(text))).toEqual([]);
    });

    /** The overlay of the page, of the image that is on the node. */
    async function writeOverlay(): Promise<void> {
      const [, overlay = ''] = /```yaml\n([\s\S]*?)```/.exec(await readFile(installPage, 'utf8')) ?? [];
      const text = await readFile(join(manifestsDir, 'holdfast.yaml'), 'utf8');
      await mkdir(join(dir, 'overlay'));
      await writeFile(
        join(dir, 'overlay', 'kustomization.yaml'),
        overlay.replace('registry.example.org/platform/holdfast', 'localhost/holdfast').replace('newTag: 0.1.0', 'newTag: "1"'),
      );
      await writeFile(
        join(dir, 'overlay', 'holdfast.yaml'),
        `${text.replace('  region: us-east-1\n', `  region: us-east-1\n  endpoint: ${store.endpoint}\n  pathStyle: true\n`).replace('volumes:\n', 'volumes:\n  keepSnapshots: 1\n')}policies: {}\n`,
      );
    }
  },
  { apiServerArgs: [`--audit-policy-file=${join(dir, 'audit.yaml')}`, `--audit-log-path=${auditLog}`] },
);

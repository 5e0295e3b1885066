import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { prepareApiServer, serviceAccountKeyFile } from './api-server.ts';
import { binary } from './binaries.ts';
import { tempDir } from './temp-dir.ts';

const programs = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl'] as const;
/** In the image. */
const [settings, data, kubeconfig] = ['/etc/stand-in', '/var/lib/stand-in', '/etc/rancher/k3s/k3s.yaml'];

/**
 * Builds an image out of the servers that native clusters are made of, which shows itself to `@testcontainers/k3s` as k3s does: its port, its
 * kubeconfig, the line that is waited for, its data kept over a restart. So the way by containers is tested where an engine answers and no
 * registry does. Returns its name; `remove` takes it away.
 */
export async function buildK3sStandIn(): Promise<{ readonly image: string; remove(): Promise<void> }> {
  const { GenericContainer, getContainerRuntimeClient } = await import('testcontainers');
  const image = `localhost/holdfast-k3s-stand-in:${randomBytes(4).toString('hex')}`;
  const context = await tempDir('stand-in');
  const token = randomBytes(24).toString('hex');
  const own = join(context, 'settings');
  await Promise.all(['bin', 'settings', 'tmp'].map(folder => mkdir(join(context, folder))));
  await copyFile('/bin/busybox', join(context, 'bin', 'busybox'));
  for (const name of programs) await copyFile(await binary(name), join(context, 'bin', name));
  await prepareApiServer({ dir: own, etcdUrl: '', adminToken: token, users: [{ name: 'admin', token, groups: ['system:masters'] }] });
  // The one that the API server makes for itself is for the container's own address, and it is reached through this machine's.
  const names = ['-subj', '/CN=stand-in', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const files = ['-keyout', join(own, 'tls.key'), '-out', join(own, 'tls.crt')];
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...names, ...files]);
  await writeFile(join(own, 'start'), startScript(token));
  const copies = [`COPY bin /bin`, `COPY settings ${settings}`, 'COPY tmp /tmp', `ENTRYPOINT ["/bin/busybox", "sh", "${settings}/start"]`];
  await writeFile(join(context, 'Dockerfile'), ['FROM scratch', ...copies, ''].join('\n'));
  await GenericContainer.fromDockerfile(context).build(image, { deleteOnExit: false });
  await rm(context, { recursive: true });
  const remove = async () => {
    const engine = await getContainerRuntimeClient();
    await engine.container.dockerode.getImage(image).remove({ force: true });
  };
  return { image, remove };
}

function startScript(token: string): string {
  const [etcd, key] = ['http://127.0.0.1:2379', serviceAccountKeyFile(settings)];
  return `
/bin/busybox mkdir -p ${data} /etc/rancher/k3s
/bin/busybox --install -s /bin
export PATH=/bin KUBECONFIG=${kubeconfig} HOME=/tmp
stop() { kill $manager; kill $api; wait $api; kill $etcd; wait $etcd; exit 0; }
trap stop TERM INT
etcd --data-dir=${data}/etcd --listen-client-urls=${etcd} --advertise-client-urls=${etcd} --listen-peer-urls=http://127.0.0.1:0 &
etcd=$!
kube-apiserver --etcd-servers=${etcd} --bind-address=0.0.0.0 --advertise-address=$(hostname -i) --secure-port=6443 \\
  --tls-cert-file=${settings}/tls.crt --tls-private-key-file=${settings}/tls.key --token-auth-file=${settings}/tokens.csv --authorization-mode=RBAC --service-cluster-ip-range=10.96.0.0/16 \\
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=${key} --service-account-signing-key-file=${key} \\
  --shutdown-delay-duration=0s --shutdown-watch-termination-grace-period=1s &
api=$!
cat > $KUBECONFIG <<END
apiVersion: v1
kind: Config
current-context: default
contexts: [{name: default, context: {cluster: default, user: default}}]
users: [{name: default, user: {token: ${token}}}]
clusters:
- name: default
  cluster:
    certificate-authority-data: $(base64 ${settings}/tls.crt | tr -d '\\n')
    server: https://127.0.0.1:6443
END
until kubectl get --raw /readyz >/dev/null 2>&1; do sleep 0.2; done
kube-controller-manager --kubeconfig=$KUBECONFIG --use-service-account-credentials --service-account-private-key-file=${key} \\
  --root-ca-file=${settings}/tls.crt --leader-elect=false --secure-port=0 &
manager=$!
until kubectl get serviceaccount default >/dev/null 2>&1; do sleep 0.2; done
echo 'Node controller sync successful'
wait $api
`;
}

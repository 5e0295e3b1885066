import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiRequest } from './api-request.ts';
import { binary, type Progress } from './binaries.ts';
import { type GuardedProcess, startGuarded } from './guarded-process.ts';
import type { Access } from './kubeconfig.ts';
import { freePort } from './ports.ts';
import { retryOnTakenPort, waitForServer } from './wait.ts';

/** Someone the API server knows by token. */
export interface TestUser {
  readonly name: string;
  readonly token: string;
  readonly groups?: readonly string[];
}

export interface ApiServerOptions {
  readonly dir: string;
  readonly etcdUrl: string;
  readonly users: readonly TestUser[];
  /** Member of system:masters, one of `users`. */
  readonly adminToken: string;
  readonly args?: readonly string[] | undefined;
  /** Where it listens, default loopback; what pods use is another one, by which the `kubernetes` service leads to it. */
  readonly address?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: Progress | undefined;
}

export interface ApiServer {
  readonly access: Access;
  readonly process: GuardedProcess;
}

/** Private key that signs service account tokens, with its public part in the same file. */
export function serviceAccountKeyFile(dir: string): string {
  return join(dir, 'service-account.key');
}

/** Writes the files that an API server needs before its first start. */
export async function prepareApiServer(options: ApiServerOptions): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(serviceAccountKeyFile(options.dir), privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  const line = (user: TestUser, index: number) => [user.token, user.name, `uid-${index}`, `"${(user.groups ?? []).join(',')}"`].join(',');
  await writeFile(join(options.dir, 'tokens.csv'), `${options.users.map(line).join('\n')}\n`, { mode: 0o600 });
}

/** Starts it on a port (a new one unless `port` is given) and waits for /readyz. */
export async function startApiServer(options: ApiServerOptions, port?: number): Promise<ApiServer> {
  const command = await binary('kube-apiserver', options.onProgress);
  return retryOnTakenPort(() => startOnce(command, options, port), port === undefined ? 5 : 1);
}

const loopback = '127.0.0.1';

async function startOnce(command: string, options: ApiServerOptions, fixedPort: number | undefined): Promise<ApiServer> {
  const address = options.address ?? loopback;
  const port = fixedPort ?? (await freePort(address));
  // The server makes itself a certificate on its first start; the file also carries the authority that signed it.
  const access = { server: `https://${address}:${port}`, token: options.adminToken, caFile: join(options.dir, 'pki', 'apiserver.crt') };
  const server = await startGuarded({
    name: 'kube-apiserver',
    command,
    args: [...apiServerArgs(options, port), ...(options.args ?? [])],
    logFile: join(options.dir, 'kube-apiserver.log'),
  });
  try {
    const ready = async () => (await apiRequest(access, '/readyz', { timeoutMs: 5_000 })).status === 200;
    await waitForServer(server, ready, { timeoutMs: 120_000, intervalMs: 100, signal: options.signal });
    return { access, process: server };
  } catch (thrown) {
    await server.stop(0);
    throw thrown;
  }
}

function apiServerArgs({ dir, etcdUrl, address = loopback }: ApiServerOptions, port: number): string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    // Endpoints of the kubernetes service may not be loopback addresses.
    ...(address === loopback ? ['--endpoint-reconciler-type=none'] : []),
    `--secure-port=${port}`,
    `--cert-dir=${join(dir, 'pki')}`,
    `--token-auth-file=${join(dir, 'tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${serviceAccountKeyFile(dir)}`,
    `--service-account-signing-key-file=${serviceAccountKeyFile(dir)}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--allow-privileged=true',
    '--shutdown-delay-duration=0s',
    '--shutdown-watch-termination-grace-period=1s', // without it a stop waits a minute for open watches
  ];
}

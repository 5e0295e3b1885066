import { join } from 'node:path';
import { binary, type Progress } from './binaries.ts';
import { type GuardedProcess, startGuarded } from './guarded-process.ts';
import { httpOk } from './http-ok.ts';
import { freePort } from './ports.ts';
import { retryOnTakenPort, waitForServer } from './wait.ts';

export interface Etcd {
  readonly url: string;
  readonly process: GuardedProcess;
}

export interface EtcdOptions {
  /** Faster, and data may be lost when the machine stops; never where durability is measured. */
  readonly unsafeNoFsync?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: Progress | undefined;
}

/** Starts a one-member etcd on loopback with its data in `dir`/etcd. */
export async function startEtcd(dir: string, options: EtcdOptions = {}): Promise<Etcd> {
  const command = await binary('etcd', options.onProgress);
  return retryOnTakenPort(async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const server = await startGuarded({
      name: 'etcd',
      command,
      args: [
        `--data-dir=${join(dir, 'etcd')}`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        '--listen-peer-urls=http://127.0.0.1:0',
        '--quota-backend-bytes=8589934592',
        '--log-level=warn',
        ...(options.unsafeNoFsync ? ['--unsafe-no-fsync'] : []),
      ],
      logFile: join(dir, 'etcd.log'),
    });
    try {
      await waitForServer(server, () => httpOk(`${url}/health`), { timeoutMs: 120_000, signal: options.signal });
      return { url, process: server };
    } catch (thrown) {
      await server.stop(0);
      throw thrown;
    }
  });
}

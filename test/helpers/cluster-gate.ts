import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestCluster } from '../cluster/cluster.ts';
import { writeKubeconfig } from '../cluster/kubeconfig.ts';

/** A request on its way, path with its query. */
export type Passing = Pick<IncomingMessage, 'method'> & { readonly url: string };

/** A way to a real API server that stops what a test wants to find under way. */
export interface ClusterGate {
  /** Whoever uses it goes through the gate. */
  readonly kubeconfig: string;
  /** Requests that are kept waiting. */
  readonly held: number;
  /** From now on these wait at the gate, until it is opened or they are given up. */
  hold(which: (passing: Passing) => boolean): void;
  /** From now on these are forbidden. */
  forbid(which: (passing: Passing) => boolean): void;
  /** Everything goes through again, and what waited first. */
  open(): void;
  close(): Promise<void>;
}

/** `dir` gets its kubeconfig. */
export async function startClusterGate(cluster: TestCluster, dir: string): Promise<ClusterGate> {
  const agent = new Agent({ keepAlive: true, ca: await readFile(cluster.caFile, 'utf8') });
  const held = new Set<{ readonly response: ServerResponse; readonly go: () => void }>();
  const nothing = () => false;
  let [holds, forbids]: ((passing: Passing) => boolean)[] = [nothing, nothing];

  const forward = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const { method = 'GET', url = '/', headers } = incoming;
    const onward = request(new URL(url, cluster.server), { method, headers, agent }, back => {
      outgoing.writeHead(back.statusCode ?? 502, back.headers);
      back.on('error', () => outgoing.destroy());
      back.pipe(outgoing);
    });
    onward.on('error', () => incoming.socket.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  };
  const server = createServer((incoming, outgoing) => {
    incoming.on('error', () => {});
    outgoing.on('error', () => {});
    const passing = incoming as Passing;
    if (forbids!(passing)) {
      const status = {
        kind: 'Status',
        apiVersion: 'v1',
        status: 'Failure',
        reason: 'Forbidden',
        message: 'not through this gate',
        code: 403,
      };
      incoming.resume();
      outgoing.writeHead(403, { 'content-type': 'application/json' }).end(JSON.stringify(status));
    } else if (holds!(passing)) {
      const waiting = { response: outgoing, go: () => forward(incoming, outgoing) };
      held.add(waiting);
      outgoing.on('close', () => held.delete(waiting));
    } else forward(incoming, outgoing);
  });
  // Watches are silent for long.
  server.requestTimeout = 0;
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const kubeconfig = join(dir, `gate-${(server.address() as AddressInfo).port}.kubeconfig`);
  const { token, caFile } = cluster;
  await writeKubeconfig(kubeconfig, 'gate', { token, caFile, server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  return {
    kubeconfig,
    get held() {
      return held.size;
    },
    hold: which => {
      holds = which;
    },
    forbid: which => {
      forbids = which;
    },
    open: () => {
      [holds, forbids] = [nothing, nothing];
      for (const { go } of held) go();
      held.clear();
    },
    close: async () => {
      const closed = new Promise(resolve => server.close(resolve));
      server.closeAllConnections();
      await closed;
      agent.destroy();
    },
  };
}

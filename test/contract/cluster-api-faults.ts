import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ClusterApiOptions, createClusterApi } from '../../src/cluster/client.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import type { Connection } from '../../src/cluster/connection.ts';

/** Answers a request; `before` is how many came before it. */
export type Handler = (request: IncomingMessage, response: ServerResponse, before: number) => void;

/** An HTTP server for what a real API server does not do on demand: to throttle, to answer nonsense, to cut an answer at a given byte. */
export interface FaultyServer {
  readonly url: string;
  /** `GET /version`, in order. */
  readonly requests: string[];
  /** What the clients waited for between their requests, milliseconds; the waiting itself takes no time. */
  readonly waits: number[];
  answer(handler: Handler): void;
  /** A client of it, without credentials. */
  open(connection?: Partial<Connection>, options?: Partial<ClusterApiOptions>): ClusterApi;
  /** Refuses connections from now on. */
  shut(): Promise<void>;
  close(): Promise<void>;
}

export async function startFaultyServer(): Promise<FaultyServer> {
  const requests: string[] = [];
  const waits: number[] = [];
  const apis: ClusterApi[] = [];
  let handler: Handler = (_request, response) => response.writeHead(404).end();
  let clock = 0;
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const before = requests.length - 1;
    request.resume().on('end', () => handler(request, response, before));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const runtime = {
    now: () => new Date(clock),
    random: (bytes: number) => new Uint8Array(bytes).fill(255),
    sleep: async (ms: number) => {
      waits.push(ms);
      clock += ms;
    },
  };
  const anonymous = {
    server: url,
    context: 'test',
    namespace: 'default',
    tls: {},
    credentials: async () => ({ headers: {} }),
    renew: () => false,
  };
  return {
    url,
    requests,
    waits,
    answer: next => {
      handler = next;
    },
    open: (connection = {}, options = {}) => {
      const api = createClusterApi({ ...anonymous, ...connection }, { runtime, ...options });
      apis.push(api);
      return api;
    },
    shut: () => shut(server),
    close: async () => {
      for (const api of apis) await api.close();
      await shut(server);
    },
  };
}

async function shut(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise(resolve => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

/** A `metav1.Status`, as API servers refuse. */
export function refuse(
  response: ServerResponse,
  code: number,
  reason: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message, code }));
}

/** Sends the text, and breaks the connection once it is on its way. */
export function cut(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write(text, () => setImmediate(() => response.socket?.destroy()));
}

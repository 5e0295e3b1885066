import { Agent, type Dispatcher, ProxyAgent, Socks5ProxyAgent } from 'undici';
import type { Connection, Credentials } from './connection.ts';

/** Sockets to one API server under one client certificate. */
export interface Pools {
  readonly origin: string;
  /** What the server's address has after the host; put in front of every path. */
  readonly prefix: string;
  /** As many connections as were asked for; more calls wait their turn. */
  readonly short: Dispatcher;
  /** As many connections as there are lists and watches. */
  readonly long: Dispatcher;
  /** Lets running calls end. */
  finish(): Promise<void>;
  destroy(): Promise<void>;
}

const connectTimeoutMs = 10_000;
/** Load balancers in front of API servers drop connections that were silent for a minute. */
const keepAliveProbeMs = 30_000;
/** Below the shortest idle time-out of common load balancers, so that a call rarely meets a connection that was just closed. */
const idleMs = 20_000;

export function openPools(connection: Connection, credentials: Credentials, connections: number): Pools {
  const { origin, pathname } = new URL(connection.server);
  const open = (limit: number | null) => dispatcher(connection, credentials, limit);
  const short = open(connections);
  const long = open(null);
  return {
    origin,
    prefix: pathname.replace(/\/+$/, ''),
    short,
    long,
    finish: async () => void (await Promise.all([short.close(), long.close()])),
    destroy: async () => void (await Promise.all([short.destroy(), long.destroy()])),
  };
}

function dispatcher(connection: Connection, credentials: Credentials, connections: number | null): Dispatcher {
  const tls = {
    ...(connection.tls.ca === undefined ? {} : { ca: connection.tls.ca }),
    ...(connection.tls.servername === undefined ? {} : { servername: connection.tls.servername }),
    ...(connection.tls.insecure === true ? { rejectUnauthorized: false } : {}),
    ...(credentials.cert === undefined ? {} : { cert: credentials.cert }),
    ...(credentials.key === undefined ? {} : { key: credentials.key }),
  };
  // HTTP/1.1: one list a connection, so that a slow reader holds up nobody else.
  const common = { allowH2: false, connections, keepAliveTimeout: idleMs, keepAliveMaxTimeout: idleMs };
  const { proxyUrl } = connection;
  if (proxyUrl?.startsWith('socks')) return new Socks5ProxyAgent(proxyUrl, { ...common, requestTls: tls });
  if (proxyUrl !== undefined) return new ProxyAgent({ ...common, uri: proxyUrl, requestTls: tls });
  return new Agent({ ...common, connect: { ...tls, timeout: connectTimeoutMs, keepAlive: true, keepAliveInitialDelay: keepAliveProbeMs } });
}

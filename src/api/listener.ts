import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import { connectionProblem } from './answer-problem.ts';
import type { ApiLimits } from './limits.ts';
import { followTls, readTls, type TlsFiles, type TlsMaterial } from './tls.ts';

/** Where the API is served. */
export interface ApiPlace {
  /** Empty for all addresses of the machine. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly tls?: TlsFiles | undefined;
  /** Allows plain HTTP on other addresses than loopback: tokens and identities then travel in the clear. */
  readonly insecureHttp?: boolean | undefined;
}

/** One address that is listened on. */
export interface Listener {
  readonly place: ApiPlace;
  /** `https://127.0.0.1:8443` */
  readonly url: string;
  readonly port: number;
  /** For requests that begin from now on. */
  limit(limits: ApiLimits): void;
  /** Shows the certificate of other files from now on. CONFIG_INVALID, and the one of before stays. */
  certify(files: TlsFiles): Promise<void>;
  /** Listens no longer at once; ends within `graceMs`: requests that are still under way are cut then. */
  close(graceMs: number): Promise<void>;
}

export interface ListenerOptions {
  readonly limits: ApiLimits;
  readonly answer: RequestListener;
  readonly runtime: Runtime;
  readonly onWarning: (text: string) => void;
}

/** Longer than the minute after which many a proxy ends a connection that is quiet. */
const quietMs = 72_000;

/** CONFIG_INVALID when the certificate cannot be used, or the address is not to be had. */
export async function openListener(first: ApiPlace, options: ListenerOptions): Promise<Listener> {
  const { answer, runtime, onWarning } = options;
  const material = first.tls === undefined ? undefined : await readTls(first.tls);
  let place = first;
  const closing = new AbortController();
  const server = newServer(options.limits, material, (request: IncomingMessage, response: ServerResponse) => {
    if (closing.signal.aborted) response.setHeader('connection', 'close');
    answer(request, response as Parameters<RequestListener>[1]);
  });
  limit(server, options.limits);
  await listen(server, place);

  let followed = new AbortController();
  const follow = (files: TlsFiles, known: TlsMaterial): void => {
    followed.abort();
    followed = new AbortController();
    const signal = AbortSignal.any([closing.signal, followed.signal]);
    const onChange = (changed: TlsMaterial) => (server as TlsServer).setSecureContext(changed.options);
    void followTls(files, known, { runtime, signal, onChange, onWarning });
  };
  if (place.tls !== undefined && material !== undefined) follow(place.tls, material);
  const { address, family, port } = server.address() as AddressInfo;
  return {
    get place() {
      return place;
    },
    url: `${material === undefined ? 'http' : 'https'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    port,
    limit: limits => limit(server, limits),
    certify: async files => {
      const renewed = await readTls(files);
      (server as TlsServer).setSecureContext(renewed.options);
      follow(files, renewed);
      place = { ...place, tls: files };
    },
    close: async graceMs => {
      closing.abort();
      const closed = new Promise(resolve => server.close(resolve));
      const done = new AbortController();
      const cut = runtime.sleep(graceMs, done.signal).then(
        () => server.closeAllConnections(),
        () => {},
      );
      await closed;
      done.abort();
      await cut;
    },
  };
}

/** CONFIG_INVALID when it would be plain HTTP where others can listen. */
export function requirePrivacy({ host, tls, insecureHttp = false }: ApiPlace): void {
  if (tls !== undefined || insecureHttp || isLoopback(host)) return;
  throw new HoldfastError('CONFIG_INVALID', `the API would listen on ${host === '' ? 'all addresses' : host} without TLS`, {
    hint: 'name a certificate and its key, listen on 127.0.0.1, or say insecureHttp where something else encrypts',
  });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function newServer(limits: ApiLimits, material: TlsMaterial | undefined, answer: RequestListener): Server {
  const options = {
    headersTimeout: limits.headersMs,
    maxHeaderSize: limits.headerBytes,
    connectionsCheckingInterval: Math.min(1_000, limits.headersMs),
    keepAliveTimeout: quietMs,
  };
  const server =
    material === undefined
      ? createServer(options, answer)
      : createTlsServer({ ...options, ...material.options, handshakeTimeout: 10_000 }, answer);
  server.maxConnections = limits.connections;
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => connectionProblem(error, socket as Socket));
  return server;
}

function limit(server: Server, { requestMs, slowHandlerMs }: ApiLimits): void {
  server.requestTimeout = requestMs;
  // For who asks, and then does not read the answer.
  server.timeout = slowHandlerMs + requestMs;
}

/** `setting` is what names the place. */
export function cannotListen(
  { host, port }: Pick<ApiPlace, 'host' | 'port'>,
  error: NodeJS.ErrnoException,
  setting: string,
): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `${host}:${port} cannot be listened on (${error.code})`, {
    cause: error,
    hint: `let ${setting} name an address of this machine with a port that nobody else has`,
  });
}

async function listen(server: Server, { host, port }: ApiPlace): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) => reject(cannotListen({ host, port }, error, 'service.listen (--listen)'));
    server.once('error', refuse);
    server.listen({ port, host }, () => {
      server.off('error', refuse);
      resolve();
    });
  });
}

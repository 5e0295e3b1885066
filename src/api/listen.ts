import type { AddressInfo } from 'node:net';
import type { Server as TlsServer } from 'node:tls';
import { HoldfastError } from '../domain/errors.ts';
import { type ApiOptions, createApiServer } from './server.ts';
import { followTls, readTls, type TlsFiles } from './tls.ts';

export interface ListenOptions extends Omit<ApiOptions, 'tls'> {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly tls?: TlsFiles;
  /** Allows plain HTTP on other addresses than loopback: tokens and identities then travel in the clear. */
  readonly insecureHttp?: boolean;
  readonly onWarning: (text: string) => void;
}

export interface ListeningApi {
  /** `https://127.0.0.1:8443` */
  readonly url: string;
  readonly openStreams: () => number;
  /** Ends within `graceMs` (10,000 unless told): requests that are still under way are cut then. */
  close(graceMs?: number): Promise<void>;
}

const defaultGraceMs = 10_000;

/** Serves the API. CONFIG_INVALID when it would be plain HTTP where others can listen, or the certificate cannot be used. */
export async function listenApi(options: ListenOptions): Promise<ListeningApi> {
  const { host, port, tls: files, insecureHttp = false, onWarning, runtime, ...api } = options;
  if (files === undefined && !insecureHttp && !isLoopback(host)) {
    throw new HoldfastError('CONFIG_INVALID', `the API would listen on ${host} without TLS`, {
      hint: 'name a certificate and its key, listen on 127.0.0.1, or say insecureHttp where something else encrypts',
    });
  }
  const material = files === undefined ? undefined : await readTls(files);
  const server = await createApiServer({ ...api, runtime, ...(material !== undefined && { tls: material }) });
  const stop = new AbortController();
  await server.app.listen({ host, port });
  if (files !== undefined && material !== undefined) {
    const onChange = ({ options: context }: typeof material) => (server.app.server as unknown as TlsServer).setSecureContext(context);
    void followTls(files, material, { runtime, signal: stop.signal, onChange, onWarning });
  }
  const address = server.app.server.address() as AddressInfo;
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    url: `${files === undefined ? 'http' : 'https'}://${shown}:${address.port}`,
    openStreams: server.openStreams,
    close: async (graceMs = defaultGraceMs) => {
      stop.abort();
      const done = new AbortController();
      const cut = runtime.sleep(graceMs, done.signal).then(
        () => server.app.server.closeAllConnections(),
        () => {},
      );
      await server.close();
      done.abort();
      await cut;
    },
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

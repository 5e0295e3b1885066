import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to one request on its way. */
export type Mishap =
  /** Answered without ever reaching the server. */
  | { readonly kind: 'answer'; readonly status: number; readonly body?: string }
  /** Done by the server, but its answer is lost. */
  | { readonly kind: 'lose-answer' }
  /** The answer's body ends after so many bytes, with the connection. */
  | { readonly kind: 'cut-answer'; readonly bytes: number }
  /** The request's body arrives with one bit turned. */
  | { readonly kind: 'flip-bit' }
  /** The connection breaks before the request is sent on. */
  | { readonly kind: 'refuse' }
  /** Sent on only then. */
  | { readonly kind: 'hold'; readonly until: Promise<void> }
  /** Nothing ever comes back. */
  | { readonly kind: 'stall' };

export interface MishapProxy {
  readonly endpoint: string;
  /** Decides about each request from now on; undefined lets it pass. */
  onRequest(decide: (message: IncomingMessage) => Mishap | undefined): void;
  /** Mishaps so far. */
  readonly mishaps: number;
  close(): Promise<void>;
}

/** A proxy in front of an S3 server. Signatures hold, since a request keeps the host that it was signed for. */
export async function startMishapProxy(target: string, address = '127.0.0.1'): Promise<MishapProxy> {
  let decide: (message: IncomingMessage) => Mishap | undefined = () => undefined;
  let mishaps = 0;
  const server = createServer((incoming, outgoing) => {
    incoming.on('error', () => {});
    outgoing.on('error', () => {});
    const mishap = decide(incoming);
    if (mishap !== undefined) mishaps += 1;
    if (mishap?.kind === 'stall') return;
    if (mishap?.kind === 'refuse') incoming.socket.destroy();
    else if (mishap?.kind === 'answer') answer(incoming, outgoing, mishap.status, mishap.body ?? '');
    else if (mishap?.kind === 'hold') void mishap.until.then(() => forward(target, incoming, outgoing, undefined));
    else forward(target, incoming, outgoing, mishap);
  });
  await new Promise<void>(resolve => server.listen(0, address, resolve));
  return {
    endpoint: `http://${address}:${(server.address() as AddressInfo).port}`,
    onRequest: next => {
      decide = next;
    },
    get mishaps() {
      return mishaps;
    },
    close: () => closeServer(server),
  };
}

function answer(incoming: IncomingMessage, outgoing: ServerResponse, status: number, body: string): void {
  incoming.resume();
  incoming.on('end', () => outgoing.writeHead(status, { 'content-type': 'application/xml' }).end(body));
}

function forward(target: string, incoming: IncomingMessage, outgoing: ServerResponse, mishap: Mishap | undefined): void {
  const { method, url, headers } = incoming;
  const onward = request(new URL(url ?? '/', target), { method: method ?? 'GET', headers, agent: false }, back => {
    back.on('error', () => outgoing.destroy());
    if (mishap?.kind === 'lose-answer') {
      back.resume();
      back.on('end', () => incoming.socket.destroy());
      return;
    }
    outgoing.writeHead(back.statusCode ?? 502, back.headers);
    let left = mishap?.kind === 'cut-answer' ? mishap.bytes : Number.POSITIVE_INFINITY;
    back.on('data', (chunk: Buffer) => {
      if (chunk.length > left) outgoing.write(chunk.subarray(0, left), () => incoming.socket.destroy());
      else outgoing.write(chunk);
      left -= Math.min(left, chunk.length);
    });
    back.on('end', () => outgoing.end());
  });
  onward.on('error', () => incoming.socket.destroy());
  let flip = mishap?.kind === 'flip-bit';
  incoming.on('data', (chunk: Buffer) => {
    if (flip && chunk.length > 0) chunk[chunk.length >> 1]! ^= 1;
    flip = false;
    onward.write(chunk);
  });
  incoming.on('end', () => onward.end());
  incoming.on('close', () => {
    if (!incoming.complete) onward.destroy();
  });
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

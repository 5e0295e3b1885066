import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HttpReceiver {
  readonly url: string;
  readonly host: string;
  readonly calls: readonly ReceivedCall[];
  /** What it answers from now on; `silence` is no answer, `hang up` closes the connection. */
  answer: number | 'silence' | 'hang up';
  /** Resolves when there were so many calls since its start. */
  received(count: number): Promise<void>;
  close(): Promise<void>;
}

/** A real HTTP server on a port of its own that keeps what it is told. */
export async function startHttpReceiver(): Promise<HttpReceiver> {
  const calls: ReceivedCall[] = [];
  let waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', chunk => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      calls.push({ method, path: url, headers, body: Buffer.concat(chunks).toString('utf8') });
      const { answer } = receiver;
      if (answer === 'hang up') request.socket.destroy();
      else if (answer !== 'silence') response.writeHead(answer, answer === 302 ? { location: 'http://127.0.0.1:9/stolen' } : {}).end('ok');
      for (const one of waiting) if (calls.length >= one.count) one.resolve();
      waiting = waiting.filter(one => calls.length < one.count);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const receiver: HttpReceiver = {
    ...{ url: `http://${host}/hook/s3cr3t-path?token=s3cr3t-query`, host, calls, answer: 200 },
    received: count => (calls.length >= count ? Promise.resolve() : new Promise(resolve => waiting.push({ count, resolve }))),
    close: async () => {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
  return receiver;
}

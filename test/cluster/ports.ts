import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the range from which Linux gives ports to outgoing connections, so that a server that restarts finds its port free. */
const firstPort = 20_000;
const lastPort = 32_000;
const taken = new Set<number>();

/** A port of an address of this machine that was free a moment ago and is handed out once per process; another process can still be faster. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(firstPort, lastPort);
    if (taken.has(port) || !(await canBind(host, port))) continue;
    taken.add(port);
    return port;
  }
  throw new Error(`no free port between ${firstPort} and ${lastPort} on ${host}`);
}

async function canBind(host: string, port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise(resolve => {
    probe.once('error', () => resolve(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

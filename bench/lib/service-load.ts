/**
 * Asks a service at a steady rate, whatever it answers: `node service-load.ts <url> <token> <requests/s> <seconds> <file of ids>` takes lists,
 * single sets and retention plans in turn, and prints `{"<kind>": Latencies, …}`. Time counts from when a request was due, so that waiting for
 * an earlier one is part of it. A process of its own, since its work would count as the service's delay.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';

/** Milliseconds. */
export interface Latencies {
  readonly requests: number;
  readonly failed: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Of an answer. */
  readonly bytes: number;
}

const connections = 64;
/** Asked beforehand, and not counted: the code is to be warm, as in a service that runs for weeks. */
const warmUp = 300;

const [, , url = '', token = '', rate = '100', seconds = '30', idsFile = ''] = process.argv;
const ids = (await readFile(idsFile, 'utf8')).trim().split('\n');
const agent = new Agent({ connections, pipelining: 1, keepAliveTimeout: 10_000 });
const kinds = {
  list: (n: number) => `/backups?limit=50${n % 2 === 0 ? '' : `&continue=${ids[(n * 7919) % ids.length]}`}`,
  get: (n: number) => `/backups/${ids[(n * 7919) % ids.length]}`,
  plan: () => '/retention/plan',
};
type Kind = keyof typeof kinds;
const names = Object.keys(kinds) as Kind[];
const kindOf = (n: number): Kind => names[n % names.length]!;

interface Seen {
  readonly ms: number[];
  failed: number;
  bytes: number;
}

await run(warmUp);
const seen = await run(Number(rate) * Number(seconds));
console.log(JSON.stringify(Object.fromEntries(names.map(name => [name, summary(seen[name])]))));
await agent.close();

async function run(count: number): Promise<Record<Kind, Seen>> {
  const found = Object.fromEntries(names.map(name => [name, { ms: [], failed: 0, bytes: 0 }])) as unknown as Record<Kind, Seen>;
  const started = performance.now();
  const running: Promise<void>[] = [];
  for (let n = 0; n < count; n++) {
    const due = started + (n * 1000) / Number(rate);
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait);
    running.push(ask(kindOf(n), n, due, found[kindOf(n)]));
  }
  await Promise.all(running);
  return found;
}

async function ask(kind: Kind, n: number, due: number, found: Seen): Promise<void> {
  try {
    const { statusCode, body } = await agent.request({
      origin: new URL(url).origin,
      path: `${new URL(url).pathname}${kinds[kind](n)}`,
      method: 'GET',
      headers: { authorization: `Bearer ${token}` },
    });
    let bytes = 0;
    for await (const chunk of body) bytes += (chunk as Buffer).length;
    if (statusCode !== 200) found.failed++;
    found.bytes = bytes;
  } catch {
    found.failed++;
  }
  found.ms.push(performance.now() - due);
}

function summary({ ms, failed, bytes }: Seen): Latencies {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
  return { requests: ms.length, failed, p50: at(0.5), p99: at(0.99), max: at(1), bytes };
}

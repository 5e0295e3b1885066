/**
 * Asks a service at a steady rate, whatever it answers: `node service-load.ts <url> <token> <requests/s> <seconds> <file of ids>` takes lists,
 * single sets and retention plans in turn, and prints `{"<kind>": Latencies, …}`; with `<restore plans/s> <file of the identity>` plans of restores
 * beside them. Time counts from when a request was due, so that waiting for an earlier one is part of it. A process of its own, since its work would
 * count as the service's delay.
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

const [, , url = '', token = '', rate = '100', seconds = '30', idsFile = '', restorePlans = '0', identityFile] = process.argv;
const ids = (await readFile(idsFile, 'utf8')).trim().split('\n');
const identity = identityFile === undefined ? '' : await readFile(identityFile, 'utf8');
const agent = new Agent({ connections, pipelining: 1, keepAliveTimeout: 10_000 });
const idOf = (n: number): string => ids[(n * 7919) % ids.length]!;

interface Asked {
  readonly path: string;
  readonly body?: object;
}

const kinds = {
  list: (n: number): Asked => ({ path: `/backups?limit=50${n % 2 === 0 ? '' : `&continue=${idOf(n)}`}` }),
  get: (n: number): Asked => ({ path: `/backups/${idOf(n)}` }),
  plan: (): Asked => ({ path: '/retention/plan' }),
  restorePlan: (n: number): Asked => ({ path: '/restores/plan', body: { set: idOf(n), identity: { value: identity } } }),
};
type Kind = keyof typeof kinds;
const names = Object.keys(kinds) as Kind[];
const inTurn = names.slice(0, 3);

interface Seen {
  readonly ms: number[];
  failed: number;
  bytes: number;
}

await run(warmUp / Number(rate));
const seen = await run(Number(seconds));
console.log(JSON.stringify(Object.fromEntries(names.filter(name => seen[name].ms.length > 0).map(name => [name, summary(seen[name])]))));
await agent.close();

async function run(forSeconds: number): Promise<Record<Kind, Seen>> {
  const found = Object.fromEntries(names.map(name => [name, { ms: [], failed: 0, bytes: 0 }])) as unknown as Record<Kind, Seen>;
  const started = performance.now();
  await Promise.all([
    atRate(Number(rate), forSeconds, started, n => inTurn[n % inTurn.length]!, found),
    atRate(Number(restorePlans), forSeconds, started, () => 'restorePlan', found),
  ]);
  return found;
}

async function atRate(
  perSecond: number,
  forSeconds: number,
  started: number,
  kindOf: (n: number) => Kind,
  found: Record<Kind, Seen>,
): Promise<void> {
  const running: Promise<void>[] = [];
  for (let n = 0; n < Math.round(perSecond * forSeconds); n++) {
    const due = started + (n * 1000) / perSecond;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait);
    running.push(ask(kindOf(n), n, due, found[kindOf(n)]));
  }
  await Promise.all(running);
}

async function ask(kind: Kind, n: number, due: number, found: Seen): Promise<void> {
  try {
    const { path, body: asked } = kinds[kind](n);
    const { statusCode, body } = await agent.request({
      origin: new URL(url).origin,
      path: `${new URL(url).pathname}${path}`,
      method: asked === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, ...(asked !== undefined && { 'content-type': 'application/json' }) },
      ...(asked !== undefined && { body: JSON.stringify(asked) }),
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

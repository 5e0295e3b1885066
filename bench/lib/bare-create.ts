/**
 * What it costs at least to write a cluster: prepared bodies posted by so many connections, stage after stage. A process of its own:
 * `node bare-create.ts <kubeconfig> <connections> <file>…` prints `{"created", "failed", "seconds", "firstFailure"}`. A line of a file is a
 * path, a tab and a body; a file is a stage, which begins when the one before is done and its definitions are served.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Api, openApi } from './api.ts';

const attempts = 20;
/** Not there yet (a namespace's service account, a definition's endpoint), too much at a time, or the server's own fault. */
const passing = new Set([403, 404, 429, 500, 503, 504]);
const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const [, , kubeconfig = '', width = '40', ...stages] = process.argv;
const api = await openApi(kubeconfig, Number(width));
const started = performance.now();
const tally = { created: 0, failed: 0, firstFailure: '' };
for (const stage of stages) {
  const lines = createInterface({ input: createReadStream(stage, { highWaterMark: 1 << 20 }), crlfDelay: Infinity })[
    Symbol.asyncIterator
  ]();
  await Promise.all(Array.from({ length: Number(width) }, () => worker(api, lines)));
  while (!(await allServed(api))) await sleep(100);
}
console.log(JSON.stringify({ ...tally, seconds: (performance.now() - started) / 1000 }));
await api.close();

async function worker(api: Api, lines: AsyncIterator<string>): Promise<void> {
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const tab = line.value.indexOf('\t');
    await create(api, line.value.slice(0, tab), line.value.slice(tab + 1));
  }
}

async function create(api: Api, path: string, body: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const answer = await api.pool.request({ method: 'POST', path, body, headers: { ...api.headers, 'content-type': 'application/json' } });
    if (answer.statusCode === 201 || answer.statusCode === 409) {
      tally.created++;
      await answer.body.dump();
      return;
    }
    const text = await answer.body.text();
    if (attempt === attempts || !passing.has(answer.statusCode)) {
      tally.failed++;
      tally.firstFailure ||= `${path}: ${answer.statusCode} ${text.slice(0, 300)}`;
      return;
    }
    await sleep(100 * attempt);
  }
}

async function allServed(api: Api): Promise<boolean> {
  const { items } = await api.json<{ items: { status?: { conditions?: { type: string; status: string }[] } }[] }>(definitions);
  return items.every(({ status }) =>
    status?.conditions?.some(condition => condition.type === 'Established' && condition.status === 'True'),
  );
}

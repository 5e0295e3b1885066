/** `node bench/main.ts [names…] [--objects N[,N]] [--rounds N] [--results DIR]`; without names, all. See bench/README.md. */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { backup } from './backup.ts';
import { claims } from './claims.ts';
import { demo } from './demo.ts';
import { type Bench, openBench } from './lib/context.ts';
import { resultsDir } from './lib/result.ts';
import { restore } from './restore.ts';
import { service } from './service.ts';
import { startup } from './startup.ts';
import { volumes } from './volumes.ts';

const benchmarks: Readonly<Record<string, (bench: Bench) => Promise<void>>> = { startup, demo, backup, restore, service, volumes, claims };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    objects: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    results: { type: 'string', default: resultsDir },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(benchmarks);
const unknown = names.filter(name => benchmarks[name] === undefined);
if (unknown.length > 0) fail(`no benchmark ${unknown.join(', ')}; there are ${Object.keys(benchmarks).join(', ')}`);

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    // The first one stops in order; the second one leaves it to the guards of every process and directory.
    if (stop.signal.aborted) process.exit(130);
    console.error('stopping');
    stop.abort(new Error(`stopped by ${name}`));
  });
}

const { bench, dir } = await openBench({
  rounds: positive('--rounds', values.rounds),
  sizes: values.objects?.split(',').map(text => positive('--objects', text)),
  resultsDir: resolve(values.results),
  signal: stop.signal,
});
try {
  for (const name of names) await benchmarks[name]!(bench);
  bench.log('done; `node bench/table.ts --write` puts the results into the README');
} catch (thrown) {
  if (!stop.signal.aborted) throw thrown;
  process.exitCode = 130;
} finally {
  await dir.remove();
}

function positive(option: string, text: string): number {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : fail(`${option} must be a whole number above 0, not ${text}`);
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

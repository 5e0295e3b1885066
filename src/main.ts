#!/usr/bin/env node
// Whole, because a name that an old Node.js lacks would end in its words instead of these.
import module from 'node:module';
import { cacheDirectory, processEnvironment } from './config/environment.ts';

const leastNode = 24;
if (Number.parseInt(process.versions.node, 10) < leastNode) {
  process.stderr.write(
    `error: Holdfast needs Node.js ${leastNode} or newer, and this is ${process.versions.node} (${process.execPath})\n` +
      `hint: put a newer node first in PATH, or use the image, which has one\n`,
  );
  process.exit(1);
}
const environment = processEnvironment();
const cache = cacheDirectory(environment);
// Node keeps compiled code there and checks it against its source, which halves the start-up; where it cannot write, it goes without. What it has
// read stays in memory, too: a service, which starts once in weeks, goes without.
if (cache !== undefined && process.argv[2] !== 'serve') module.enableCompileCache(cache);
const [{ runCli }, { watchSignals }, { processTerminal }, { pruneCompiled }] = await Promise.all([
  import('./cli/run.ts'),
  import('./cli/stop-signals.ts'),
  import('./cli/process-terminal.ts'),
  import('./cli/compile-cache.ts'),
]);

const stop = watchSignals(process);
const terminal = processTerminal(process);
const exit = await runCli(process.argv.slice(2), {
  terminal,
  signal: stop.signal,
  environment,
  now: () => new Date(),
  onStart: stop.say,
  onHangup: stop.onHangup,
});
const unwritten = await terminal.flush();
if (unwritten !== undefined) process.stderr.write(`error: the output was not written in full: ${unwritten}\n`);
if (cache !== undefined) await pruneCompiled(cache, new Date());
// Nothing is left to be done: a socket kept alive, or a thread, must not hold the process back.
process.exit(exit === 0 && unwritten !== undefined ? 1 : exit);

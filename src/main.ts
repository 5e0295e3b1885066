#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { cacheDirectory, processEnvironment } from './config/environment.ts';

const environment = processEnvironment();
const cache = cacheDirectory(environment);
// Node keeps compiled code there and checks it against its source, which halves the start-up; where it cannot write, it goes without.
if (cache !== undefined) enableCompileCache(cache);
const [{ runCli }, { watchSignals }, { processTerminal }] = await Promise.all([
  import('./cli/run.ts'),
  import('./cli/stop-signals.ts'),
  import('./cli/process-terminal.ts'),
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
await terminal.flush();
// Nothing is left to be done: a socket kept alive, or a thread, must not hold the process back.
process.exit(exit);

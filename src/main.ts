#!/usr/bin/env node
import { processTerminal } from './cli/process-terminal.ts';
import { runCli } from './cli/run.ts';
import { watchSignals } from './cli/stop-signals.ts';
import { processEnvironment } from './config/environment.ts';

const environment = processEnvironment();
const stop = watchSignals(process);
const terminal = processTerminal(process);
const exit = await runCli(process.argv.slice(2), {
  terminal,
  signal: stop.signal,
  environment,
  now: () => new Date(),
  onStart: stop.say,
});
await terminal.flush();
// Nothing is left to be done: a socket kept alive, or a thread, must not hold the process back.
process.exit(exit);

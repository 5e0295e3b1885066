import { systemRuntime } from '../../src/app/adapters.ts';
import { serve } from '../../src/app/serve.ts';
import { processEnvironment } from '../../src/config/environment.ts';
import { loadConfig } from '../../src/config/load.ts';

// `holdfast serve` whose clock is ahead: what it does in a week can be seen today. Only its own: servers and pods have theirs.

const [file, ahead = ''] = process.argv.slice(2);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
const load = () => loadConfig(processEnvironment(), { file });
const now = () => new Date(Date.now() + Number(ahead));
await serve({ config: await load(), reload: load, signal: stop.signal, runtime: { ...systemRuntime, now } });
process.exit(0);

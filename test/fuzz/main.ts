import { parseArgs } from 'node:util';
import { listenApi } from '../../src/api/listen.ts';
import { apiOptions, tokenOf } from '../helpers/api-context.ts';
import { fuzzer } from './fuzzer.ts';
import { fuzzLimits } from './limits.ts';
import { fuzz } from './schemathesis.ts';

// `node test/fuzz/main.ts --examples 1000 --seed 7`: fuzzes the API, with the service in memory, for as long as that takes.

const { values } = parseArgs({ options: { examples: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } } });
const { command, missing } = await fuzzer(line => console.error(line));
if (command === undefined) {
  console.error(missing);
  process.exitCode = 1;
} else {
  const api = await listenApi({ ...apiOptions({ limits: fuzzLimits }), host: '127.0.0.1', port: 0, onWarning: console.error });
  const { ok, output, byStatus } = await fuzz({
    command,
    url: api.url,
    token: tokenOf('admin'),
    examples: Number(values.examples),
    seed: Number(values.seed),
  });
  console.log(output);
  console.log([...byStatus].map(([status, count]) => `${status}: ${count}`).join(', '));
  process.exitCode = ok ? 0 : 1;
  await api.close(0);
}

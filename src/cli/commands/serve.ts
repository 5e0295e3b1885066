import { exitCodes } from '../../domain/errors.ts';
import { recipientFlags, signingKeyFlag } from '../backup-flags.ts';
import type { CommandSpec } from '../command.ts';
import { serviceFlags } from '../service-flags.ts';

export const serve: CommandSpec = {
  name: 'serve',
  summary: 'Run the service: scheduled backups, retention, and the API',
  details:
    'Takes backups by the policies of the configuration, deletes what has had its time, and serves the REST API. Several replicas may run: one leads, the others stand by. A changed configuration file is taken up without a restart.',
  examples: [
    { what: 'with a configuration file', line: 'holdfast serve --config /etc/holdfast/holdfast.yaml' },
    { what: 'on this machine alone, to try it', line: 'holdfast serve --config holdfast.yaml --insecure-http --leader-election false' },
  ],
  exits: {
    [exitCodes.ok]: 'it was stopped in order',
    [exitCodes.failed]: 'it could not go on',
    [exitCodes.notFound]: 'no such repository or bucket',
  },
  uses: ['cluster', 'repository', 'keys', 'general'],
  flags: [...recipientFlags, signingKeyFlag, ...serviceFlags],
  outputs: ['table'],
  whenStopped: 'What runs is finished or handed over.',
  run: async call => {
    const { serve: run } = await import('../../app/serve.ts');
    const { readConfig: reload, limitBy: onTaken, signal, onHangup } = call;
    await run({ config: await call.config(), reload, onTaken, signal, onHangup });
    return exitCodes.ok;
  },
};

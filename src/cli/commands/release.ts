import { exitCodes } from '../../domain/errors.ts';
import { signingKeyFlag } from '../backup-flags.ts';
import type { CommandSpec } from '../command.ts';
import { present } from '../output.ts';
import { type ReasonValue, reasonFlag, reasonOf } from '../reason-flag.ts';
import { type ClusterFlagValue, clusterFlag, clusterOf, setArgument } from '../set-argument.ts';

export const release: CommandSpec<ReasonValue & ClusterFlagValue> = {
  name: 'release',
  arguments: [setArgument],
  summary: 'Let retention have a backup again that was held',
  details: 'Nothing is deleted by this: the policies decide about it again. The ledger tells who released it.',
  examples: [
    { what: 'after the audit', line: 'holdfast release 20261123T020000Z-monthly-k3f9 --reason "audit is over"' },
    { what: 'when does it expire now?', line: 'holdfast retention plan --all | grep 20261123T020000Z-monthly-k3f9' },
  ],
  exits: {
    [exitCodes.ok]: 'it is not held any more',
    [exitCodes.failed]: 'the location cannot be written',
    [exitCodes.notFound]: 'it was not held, or there is no such backup, repository or bucket',
  },
  uses: ['keys', 'repository', 'server', 'output', 'general'],
  flags: [reasonFlag('why it need not be held any more; needed'), clusterFlag, signingKeyFlag],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const reason = reasonOf(call.options);
    const [app, { holdLines }] = await Promise.all([call.app(), import('../render/hold.ts')]);
    const held = await (await app.retention(call.signal)).release({ text: call.args[0] ?? '', ...clusterOf(call.options) }, reason);
    await present(call, {
      document: { set: held.set, reason, held },
      lines: () => holdLines(held, 'released', call.style),
      names: () => [held.set],
    });
    return exitCodes.ok;
  },
};

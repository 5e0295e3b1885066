import { exitCodes } from '../../domain/errors.ts';
import { signingKeyFlag } from '../backup-flags.ts';
import type { CommandSpec } from '../command.ts';
import { present } from '../output.ts';
import { type ReasonValue, reasonFlag, reasonOf } from '../reason-flag.ts';
import { type ClusterFlagValue, clusterFlag, clusterOf, setArgument } from '../set-argument.ts';

export const hold: CommandSpec<ReasonValue & ClusterFlagValue> = {
  name: 'hold',
  arguments: [setArgument],
  summary: 'Keep a backup until it is released, whatever the policies say',
  details: 'Holding it twice keeps the first reason. The ledger tells who held it.',
  examples: [
    { what: 'for an audit', line: 'holdfast hold 20261123T020000Z-monthly-k3f9 --reason "audit 2026"' },
    { what: 'the last one before an upgrade', line: 'holdfast hold latest --reason "before the upgrade to 1.38"' },
    { what: 'what is held?', line: `holdfast retention plan --all | grep 'held by'` },
  ],
  exits: {
    [exitCodes.ok]: 'it is held, by this command or before',
    [exitCodes.failed]: 'the location cannot be written',
    [exitCodes.notFound]: 'no such backup, repository or bucket, or retention is deleting it just now',
  },
  uses: ['keys', 'repository', 'server', 'output', 'general'],
  flags: [reasonFlag('why it is held; needed'), clusterFlag, signingKeyFlag],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const reason = reasonOf(call.options);
    const [app, { holdLines }] = await Promise.all([call.app(), import('../render/hold.ts')]);
    const held = await (await app.retention(call.signal)).hold({ text: call.args[0] ?? '', ...clusterOf(call.options) }, reason);
    await present(call, {
      document: held,
      lines: () => holdLines(held, held.reason === reason ? 'held' : 'held before', call.style),
      names: () => [held.set],
    });
    return exitCodes.ok;
  },
};

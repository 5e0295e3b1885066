import { exitCodes } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import { advise, present } from '../output.ts';

interface Options {
  readonly tier?: string;
}

export const backupGet: CommandSpec<Options> = {
  name: 'get',
  summary: 'List the backups of a repository, newest first',
  examples: [
    { what: 'all', line: 'holdfast backup get --location s3://backups/platform' },
    { what: 'the ids of the daily ones', line: 'holdfast backup get --tier daily -o name' },
    { what: 'those that are not complete', line: 'holdfast backup get -o json | jq \'.backups[] | select(.phase != "Completed")\'' },
  ],
  exits: {
    [exitCodes.ok]: 'listed, even if there is none',
    [exitCodes.failed]: 'the location cannot be read',
    [exitCodes.notFound]: 'the location holds no repository, or the bucket does not exist',
  },
  uses: ['keys', 'repository', 'server', 'output', 'general'],
  flags: [{ flags: '--tier <name>', text: 'only backups of this tier' }],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const [app, { backupList }] = await Promise.all([call.app(), import('../render/backup-list.ts')]);
    const { tier } = call.options;
    const all = await app.listSets(call.signal);
    const sets = all.filter(set => tier === undefined || (set.phase !== 'Unreadable' && set.tier === tier)).reverse();
    await present(call, {
      document: { backups: sets },
      lines: () => (sets.length === 0 ? [] : backupList(sets, call.now(), call.style, call.options.headers)),
      names: () => sets.map(set => set.id),
    });
    const which = tier === undefined ? '' : ` of tier ${tier}`;
    if (sets.length === 0) advise(call, `No backups${which} in ${await app.location()}. Take one: holdfast backup create`);
    return exitCodes.ok;
  },
};

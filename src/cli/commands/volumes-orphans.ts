import { parseDuration } from '../../domain/duration.ts';
import { exitCodes, HoldfastError } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import { advise, present, warn } from '../output.ts';

interface Options {
  readonly yes?: boolean;
  readonly olderThan?: string;
}

const defaultAge = '24h';

export const volumesOrphans: CommandSpec<Options> = {
  name: 'orphans',
  summary: 'Find what volume backups and restores have left over in the cluster, and remove it',
  details:
    'Snapshots that no backup names, contents of snapshots that are gone, temporary claims, volumes of restores that were never finished, movers and their credentials, notes of pods that were frozen and never thawed and of workloads that were scaled down and never up again: removing one thaws its pod or scales them up. While a backup of the location cannot be read, no snapshot counts as left over. A restore that was interrupted and is to be run again needs its volumes: finish it first.',
  examples: [
    { what: 'look', line: 'holdfast volumes orphans --location s3://backups/platform --keys-dir ./keys' },
    { what: 'remove what is older than a week', line: 'holdfast volumes orphans --older-than 7d --yes' },
  ],
  exits: {
    [exitCodes.ok]: 'listed or removed, even if there is none',
    [exitCodes.failed]: 'the cluster or the location cannot be read',
    [exitCodes.partial]: 'what is named could not be removed',
    [exitCodes.notFound]: 'the location holds no repository, or the bucket does not exist',
  },
  uses: ['keys', 'repository', 'cluster', 'server', 'output', 'general'],
  flags: [
    { flags: '-y, --yes', text: 'remove what is found' },
    { flags: '--older-than <duration>', text: `only what is older, as in 7d (default ${defaultAge})` },
  ],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const { yes = false, olderThan = defaultAge, headers } = call.options;
    const age = parseDuration(olderThan);
    if (age === undefined) throw new HoldfastError('USAGE', `--older-than ${JSON.stringify(olderThan)} is no duration such as 24h or 7d`);
    const volumes = await (await call.app()).volumes(call.signal);
    const { orphans, notices } = await volumes.orphans(age, call.signal);
    const run = { signal: call.signal, progress: call.reporter.progress };
    const removed = yes && orphans.length > 0 ? await volumes.removeOrphans(orphans, run) : undefined;
    for (const notice of notices) warn(call, notice);
    const { orphanLines } = await import('../render/volume-lists.ts');
    await present(call, {
      document: {
        orphans,
        notices,
        ...(removed !== undefined && { removed: removed.map(({ orphan, ...rest }) => ({ ...orphan, ...rest })) }),
      },
      lines: () => orphanLines(orphans, removed, call.style, headers),
      names: () => orphans.map(({ kind, namespace, name }) => `${namespace === '' ? '' : `${namespace}/`}${kind}/${name}`),
    });
    if (orphans.length === 0) advise(call, 'Nothing is left over.');
    else if (!yes) advise(call, '\nRemove them: the same line with --yes');
    return removed?.some(one => !one.removed) ? exitCodes.partial : exitCodes.ok;
  },
};

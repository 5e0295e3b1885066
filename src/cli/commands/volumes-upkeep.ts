import { exitCodes } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import { advise, presentSummary, warn } from '../output.ts';

export const volumesUpkeep: CommandSpec = {
  name: 'upkeep',
  summary: 'Let go of volume data that no backup names any more, and check a part of each repository',
  details:
    'A service does this by itself after every run of retention, so that there is nothing to ask it for: with --server, holdfast retention run does both. Data younger than a day, and all of it while a backup of the location cannot be read, stays. Each repository is read in twelve parts, one a week.',
  examples: [{ what: 'where no service does it', line: 'holdfast volumes upkeep --config holdfast.yaml -o json' }],
  exits: {
    [exitCodes.ok]: 'done, even if there was nothing to do',
    [exitCodes.failed]: 'the cluster or the location cannot be used',
    [exitCodes.partial]: 'the repositories named failed; the others are done',
    [exitCodes.timeout]: 'not done within --timeout; the same command continues',
    [exitCodes.notFound]: 'the location holds no repository, or the bucket does not exist',
  },
  uses: ['identity', 'keys', 'repository', 'cluster', 'server', 'output', 'general'],
  outputs: ['table', 'json', 'yaml', 'name'],
  reports: () => 'lines',
  whenStopped: 'Nothing that a backup names is touched; the same command goes on.',
  run: async call => {
    const volumes = await (await call.app()).volumes(call.signal);
    const outcome = await volumes.upkeep({ signal: call.signal, progress: call.reporter.progress });
    const failed = outcome.items.filter(({ state }) => state === 'failed');
    for (const item of failed) call.reporter.message({ message_type: 'error', ...item });
    const { upkeepLines } = await import('../render/volume-lists.ts');
    await presentSummary(call, {
      document: outcome,
      lines: () => upkeepLines(outcome.items, call.style, call.options.headers),
      names: () => outcome.items.map(({ repository }) => repository),
    });
    for (const notice of outcome.notices) warn(call, notice);
    if (outcome.items.length === 0) advise(call, `Nothing to do in ${outcome.repositories} repositories of volumes.`);
    return failed.length === 0 ? exitCodes.ok : exitCodes.partial;
  },
};

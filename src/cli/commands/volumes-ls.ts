import { exitCodes } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import { advise, present } from '../output.ts';
import { type ClusterFlagValue, clusterFlag, clusterOf, setArgument } from '../set-argument.ts';

export const volumesLs: CommandSpec<ClusterFlagValue> = {
  name: 'ls',
  arguments: [setArgument],
  summary: 'List the volume claims of a backup: what it has of each, how much, and why not more',
  examples: [
    { what: 'the newest complete backup', line: 'holdfast volumes ls latest --location s3://backups/platform --keys-dir ./keys' },
    {
      what: 'claims whose data could not be taken',
      line: 'holdfast volumes ls latest -o json | jq \'.volumes[] | select(.state == "failed")\'',
    },
  ],
  exits: {
    [exitCodes.ok]: 'listed, even if there is none',
    [exitCodes.failed]: 'the location cannot be read',
    [exitCodes.verification]: 'the manifest is damaged or not signed by the expected key',
    [exitCodes.notFound]: 'no such backup, repository or bucket',
  },
  uses: ['keys', 'repository', 'server', 'output', 'general'],
  flags: [clusterFlag],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const app = await call.app();
    const { manifest } = await app.openSet(call.args[0] ?? 'latest', { signal: call.signal, need: 'manifest', ...clusterOf(call.options) });
    const { snapshotsAlone, volumeTable } = await import('../render/volumes.ts');
    const { volumes } = manifest;
    await present(call, {
      document: { backup: manifest.id, volumes },
      lines: () => volumeTable(volumes, call.style, call.options.headers),
      names: () => volumes.map(({ namespace, claim }) => `${namespace}/${claim}`),
    });
    const alone = snapshotsAlone(volumes);
    if (alone !== undefined && call.format === 'table')
      advise(call, `${alone} of its claim (volumes.keepSnapshots); restore plan says whether it does.`);
    if (volumes.length === 0) advise(call, `${manifest.id} says nothing of volumes.`);
    return exitCodes.ok;
  },
};

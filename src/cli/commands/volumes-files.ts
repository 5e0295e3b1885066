import { aroundClaim } from '../../domain/claim-request.ts';
import { exitCodes, HoldfastError } from '../../domain/errors.ts';
import { claimArgument, parseClaim } from '../claim-argument.ts';
import type { CommandSpec } from '../command.ts';
import { type ClusterFlagValue, clusterFlag, clusterOf, setArgument } from '../set-argument.ts';

interface Options extends ClusterFlagValue {
  readonly recursive?: boolean;
}

export const volumesFiles: CommandSpec<Options> = {
  name: 'files',
  arguments: [setArgument, claimArgument, { term: '[path]', text: 'a folder of the volume (default /)' }],
  summary: 'List the files of a volume as a backup has them',
  details: 'Reads the volume’s repository with restic, which must be in PATH; with --server the service does it. Nothing is restored.',
  examples: [
    { what: 'the root of a workspace', line: 'holdfast volumes files latest agents/workspace --identity operator.identity' },
    { what: 'everything below a folder', line: 'holdfast volumes files 2026-11-20 agents/workspace /src -r' },
    {
      what: 'the largest files',
      line: "holdfast volumes files latest agents/workspace -r -o json | jq -s 'map(select(.size)) | sort_by(-.size)[:10]'",
    },
  ],
  exits: {
    [exitCodes.ok]: 'listed',
    [exitCodes.failed]: 'the location cannot be read',
    [exitCodes.partial]: 'the data of the claim is not in the repository, or there is no such folder',
    [exitCodes.verification]: 'the backup is damaged',
    [exitCodes.notFound]: 'no such backup, repository or bucket',
    [exitCodes.wrongKey]: 'the identity is missing or wrong',
  },
  uses: ['identity', 'keys', 'repository', 'cluster', 'server', 'output', 'general'],
  flags: [{ flags: '-r, --recursive', text: 'everything below the folder' }, clusterFlag],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const claim = parseClaim(call.args[1]);
    const path = call.args[2] ?? '/';
    if (!path.startsWith('/')) throw new HoldfastError('USAGE', `${JSON.stringify(path)} is no path from the volume’s root, such as /src`);
    const app = await call.app();
    const how = { signal: call.signal, need: 'manifest', wanted: aroundClaim(claim), ...clusterOf(call.options) } as const;
    const set = await app.openSet(call.args[0] ?? 'latest', how);
    const volumes = await app.volumes(call.signal);
    const { fileLine } = await import('../render/volume-lists.ts');
    const { stdout } = call.terminal;
    for await (const file of volumes.files(set, claim, { path, recursive: call.options.recursive === true }, call.signal)) {
      if (call.format === 'json') stdout.write(`${JSON.stringify(file)}\n`);
      else if (call.format === 'yaml') stdout.write(`---\n${(await import('../yaml-text.ts')).yamlText(file)}`);
      else stdout.write(`${call.format === 'name' ? file.path : fileLine(file)}\n`);
    }
    return exitCodes.ok;
  },
};

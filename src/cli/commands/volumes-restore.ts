import { aroundClaim, type ClaimRequest, checkRequest } from '../../domain/claim-request.ts';
import { exitCodes, HoldfastError } from '../../domain/errors.ts';
import { claimArgument, parseClaim } from '../claim-argument.ts';
import type { Call, CommandSpec } from '../command.ts';
import { advise, confirmed, presentSummary } from '../output.ts';
import { storageClassFlag, storageClassMapping } from '../restore-flags.ts';
import { type ClusterFlagValue, clusterFlag, clusterOf, setArgument } from '../set-argument.ts';

interface Options extends ClusterFlagValue {
  readonly inPlace?: boolean;
  readonly to?: string;
  readonly include?: readonly string[];
  readonly deleteOthers?: boolean;
  readonly scaleDown?: boolean;
  readonly storageClassMapping?: readonly string[];
  readonly size?: string;
  readonly yes?: boolean;
}

export const volumesRestore: CommandSpec<Options> = {
  name: 'restore',
  arguments: [setArgument, claimArgument],
  summary: 'Bring the data of one claim back: into a new claim, or into the one that is there',
  details:
    'Without --in-place the claim is made anew, from the kept snapshot where that is still there, else from the repository, and appears once it is full. With --in-place files are written over those of the claim; what the backup does not have stays, unless --delete-others. A claim that a pod uses is not written to: its pods are named, and --scale-down takes their workloads down for as long as it takes.',
  examples: [
    { what: 'a claim that was deleted', line: 'holdfast volumes restore latest agents/workspace --identity operator.identity' },
    {
      what: 'beside the living one, to look at it',
      line: 'holdfast volumes restore 2026-11-20 agents/workspace --to agents/workspace-old',
    },
    {
      what: 'two files into the claim that is there',
      line: 'holdfast volumes restore latest agents/workspace --in-place --include /src/main.ts --include /notes',
    },
    {
      what: 'exactly as it was, while its deployment is scaled down',
      line: 'holdfast volumes restore latest agents/workspace --in-place --delete-others --scale-down --yes',
    },
  ],
  exits: {
    [exitCodes.ok]: 'the data is back',
    [exitCodes.failed]: 'the cluster or the location cannot be used, the claim is there already, or it was not confirmed',
    [exitCodes.partial]: 'the data cannot be brought back there: it is missing, too large, of another mode, or the claim is in use',
    [exitCodes.verification]: 'the backup or the data is damaged',
    [exitCodes.timeout]: 'not done within --timeout; the same command continues',
    [exitCodes.notFound]: 'no such backup, repository or bucket',
    [exitCodes.wrongKey]: 'the identity is missing or wrong, or the password of the repository is',
  },
  uses: ['identity', 'keys', 'repository', 'cluster', 'server', 'output', 'general'],
  flags: [
    clusterFlag,
    { flags: '--in-place', text: 'write into the claim that is there' },
    { flags: '--to <claim>', text: 'namespace/name of the claim on the cluster, where it is another one' },
    { flags: '--include <path>', text: 'only this file or folder, as in /src/main.ts (repeatable)', many: true },
    { flags: '--delete-others', text: 'with --in-place: remove what the backup does not have' },
    { flags: '--scale-down', text: 'with --in-place: scale down what uses the claim, and up again' },
    storageClassFlag,
    { flags: '--size <size>', text: 'size of the new claim, as in 20Gi' },
    { flags: '-y, --yes', text: 'do not ask' },
  ],
  outputs: ['table', 'json', 'yaml', 'name'],
  reports: () => 'lines',
  whenStopped: 'The same command run again goes on; workloads that were scaled down are scaled up by it.',
  run: async call => {
    const request = requestOf(call);
    checkRequest(request);
    const target = request.to ?? request.from;
    if (request.inPlace && !(await agreed(call, `${target.namespace}/${target.claim}`))) {
      advise(call, 'Nothing was changed.');
      return exitCodes.failed;
    }
    const app = await call.app();
    const set = await app.openSet(call.args[0] ?? 'latest', {
      signal: call.signal,
      need: request.inPlace ? 'manifest' : 'contents',
      use: 'restore',
      wanted: aroundClaim(request.from),
      ...clusterOf(call.options),
    });
    const volumes = await app.volumes(call.signal);
    const outcome = await volumes.restore(set, request, { signal: call.signal, progress: call.reporter.progress });
    const { volumeOutcomeLines } = await import('../render/restore-volumes.ts');
    await presentSummary(call, {
      document: outcome,
      lines: () => volumeOutcomeLines([outcome], call.style),
      names: () => [`${outcome.namespace}/${outcome.claim}`],
    });
    return outcome.state === 'filled' ? exitCodes.ok : exitCodes.partial;
  },
};

function requestOf({ args, options }: Call<Options>): ClaimRequest {
  const { inPlace = false, to, include = [], deleteOthers = false, scaleDown = false, storageClassMapping: classes = [], size } = options;
  return {
    from: parseClaim(args[1]),
    ...(to !== undefined && { to: parseClaim(to, '--to') }),
    ...{ inPlace, include, deleteOthers, scaleDown, storageClasses: storageClassMapping(classes) },
    ...(size !== undefined && { size }),
  };
}

async function agreed(call: Call<Options>, target: string): Promise<boolean> {
  if (call.options.yes === true) return true;
  if (call.terminal.ask === undefined) {
    throw new HoldfastError('USAGE', `files of ${target} would be overwritten, and nobody is here to confirm it`, { hint: 'pass --yes' });
  }
  return confirmed(call, `Overwrite files of ${target}?`);
}

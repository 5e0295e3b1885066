import { exitCodes, HoldfastError } from '../../domain/errors.ts';
import type { CommandSpec } from '../command.ts';
import { advise, presentSummary } from '../output.ts';
import { type ClusterFlagValue, clusterFlag, clusterOf, setArgument } from '../set-argument.ts';

export const verify: CommandSpec<ClusterFlagValue> = {
  name: 'verify',
  arguments: [{ term: '[backup]', text: `all (the default), or ${setArgument.text}` }],
  summary: 'Check every signature and every digest of one backup or of all',
  details:
    'Without an identity every stored file is read and compared with the signed manifest. With one, every file is opened too, and every object in it compared with its own digest: that proves that the identity opens it.',
  examples: [
    { what: 'the whole repository', line: 'holdfast verify --location s3://backups/platform --keys-dir ./keys' },
    { what: 'one backup, to the last object', line: 'holdfast verify latest --identity ./keys/operator.identity' },
    { what: 'does the break-glass identity still open it?', line: 'holdfast verify latest --identity /media/usb/break-glass.identity' },
  ],
  exits: {
    [exitCodes.ok]: 'everything is as it was written',
    [exitCodes.failed]: 'the location cannot be read',
    [exitCodes.verification]: 'damage was found, or a signature is not by the expected key',
    [exitCodes.timeout]: 'not done within --timeout',
    [exitCodes.notFound]: 'no such backup, repository or bucket',
    [exitCodes.wrongKey]: 'the identity opens none of it',
  },
  uses: ['identity', 'keys', 'repository', 'server', 'output', 'general'],
  flags: [clusterFlag],
  outputs: ['table', 'json', 'yaml', 'name'],
  reports: () => 'lines',
  whenStopped: 'Nothing is written by a verification.',
  run: async call => {
    const [app, { verifyLines }] = await Promise.all([call.app(), import('../render/verify.ts')]);
    const [what = 'all'] = call.args;
    if (what === 'all' && call.options.cluster !== undefined)
      throw new HoldfastError('USAGE', '--cluster says whose backup is meant by latest, a day or a time, and all are meant');
    const report = await app.verify({ what, ...clusterOf(call.options) }, { signal: call.signal, progress: call.reporter.progress });
    for (const set of report.sets) {
      for (const finding of set.findings) call.reporter.message({ message_type: finding.severity, id: set.id, ...finding });
    }
    await presentSummary(call, {
      document: report,
      lines: () => verifyLines(report, call.style, call.options.headers),
      names: () => report.sets.filter(set => set.state === 'damaged').map(set => set.id),
    });
    if (report.sets.length === 0) advise(call, `No backups in ${await app.location()}.`);
    const unopened = report.sets.some(set => set.state === 'verified' && set.depth === 'files');
    if (call.format === 'table' && unopened) advise(call, '\nFiles were compared, not opened: give --identity to prove that they open.');
    return report.ok ? exitCodes.ok : exitCodes.verification;
  },
};

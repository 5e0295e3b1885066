import type { BackupOutcome } from '../../domain/backup-set.ts';
import { errorTable, exitCodes, HoldfastError } from '../../domain/errors.ts';
import { volumeCaptures } from '../../domain/policy.ts';
import { backupSelectionFlags, recipientFlags, signingKeyFlag } from '../backup-flags.ts';
import type { CommandSpec } from '../command.ts';
import { advise, exitOfPhase, presentSummary, warn } from '../output.ts';

export const backupCreate: CommandSpec = {
  name: 'create',
  summary: 'Take a backup of the cluster and commit it to the repository',
  details:
    'All objects are read at one moment of the cluster, sealed to the recipients, and signed. A backup exists once its manifest is written, which is the last thing that happens: until then there is nothing to see, whatever goes wrong.',
  examples: [
    { what: 'everything', line: 'holdfast backup create --location s3://backups/platform --keys-dir ./keys' },
    {
      what: 'two namespaces, without their events',
      line: "holdfast backup create --include-namespaces 'argo*,agent-platform' --exclude-kinds 'events*'",
    },
    { what: 'with the data of volumes', line: 'holdfast backup create --volumes data' },
    { what: 'from another cluster, as the daily one', line: 'holdfast backup create --context staging --tier daily' },
    { what: 'for a script: only the id, and an exit code that tells the truth', line: 'id=$(holdfast backup create -q -o name) || alert' },
  ],
  exits: {
    [exitCodes.ok]: 'Completed: every kind was read to its end',
    [exitCodes.failed]: 'failed: nothing was committed',
    [exitCodes.partial]: 'PartiallyFailed: committed, but the items named could not be captured; or nothing at all was selected',
    [exitCodes.timeout]: 'not done within --timeout; nothing was committed',
    [exitCodes.notFound]: 'the location holds no repository, or the bucket does not exist',
  },
  uses: ['keys', 'repository', 'cluster', 'server', 'output', 'general'],
  flags: [
    { flags: '--tier <name>', text: 'label of the backup, such as daily (default manual)', setting: 'tier' },
    ...backupSelectionFlags,
    ...recipientFlags,
    signingKeyFlag,
    {
      flags: '--volumes <what>',
      text: 'volumes: none, snapshots in the cluster, or also their data in the repository (default none)',
      choices: volumeCaptures,
      setting: 'volumes.capture',
    },
    { flags: '--seal-index', text: 'seal the index too: names and sizes of objects', setting: 'sealIndex' },
  ],
  outputs: ['table', 'json', 'yaml', 'name'],
  reports: () => 'lines',
  whenStopped: 'Nothing of this backup stays visible; earlier ones are untouched.',
  run: async call => {
    const [app, { settings }, { backupSummary }, { selectionText }] = await Promise.all([
      call.app(),
      call.config(),
      import('../render/backup-summary.ts'),
      import('../render/backup-description.ts'),
    ]);
    const location = await app.location();
    if (settings.insecurePlaintext === true) {
      warn(call, `--insecure-plaintext: this backup is NOT ENCRYPTED. Everybody who can read ${location} can read every Secret in it.`);
    }
    const outcome = await app.backup({ signal: call.signal, progress: call.reporter.progress });
    if (outcome.phase === 'Failed') throw failure(outcome);
    const { manifest, durationMs, settleMs } = outcome;
    for (const problem of manifest.problems) call.reporter.message({ message_type: 'error', ...problem });
    await presentSummary(call, {
      document: { ...manifest, location, durationMs, settleMs },
      lines: () => backupSummary(manifest, { location, durationMs, style: call.style }),
      names: () => [manifest.id],
    });
    const identity = manifest.encryption.scheme === 'age' ? ' --identity <file>' : '';
    if (call.format === 'table') advise(call, `\nProve that it opens: holdfast verify ${manifest.id}${identity}`);
    if (manifest.objects > 0) return exitOfPhase(manifest.phase);
    warn(call, `the backup is empty: nothing in the cluster matches the selection (${selectionText(manifest.selection)})`);
    return exitCodes.partial;
  },
};

/** The error behind a failed backup. One that elsewhere means a partial result is a failure here: there is no result. */
function failure({ id, error }: Extract<BackupOutcome, { phase: 'Failed' }>): HoldfastError {
  const { exit, hint } = errorTable[error.code];
  return new HoldfastError(
    exit === exitCodes.partial ? 'BACKUP_FAILED' : error.code,
    `backup ${id} failed, nothing was committed: ${error.message}`,
    { hint },
  );
}

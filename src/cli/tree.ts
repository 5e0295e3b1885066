import type { CommandBranch, CommandSpec } from './command.ts';
import { backupCreate } from './commands/backup-create.ts';
import { backupDelete } from './commands/backup-delete.ts';
import { backupDescribe } from './commands/backup-describe.ts';
import { backupGet } from './commands/backup-get.ts';
import { completion } from './commands/completion.ts';
import { configCheck } from './commands/config-check.ts';
import { configSchema } from './commands/config-schema.ts';
import { configView } from './commands/config-view.ts';
import { hold } from './commands/hold.ts';
import { init } from './commands/init.ts';
import { keysGenerate } from './commands/keys-generate.ts';
import { ledgerGet } from './commands/ledger-get.ts';
import { ledgerVerify } from './commands/ledger-verify.ts';
import { mover } from './commands/mover.ts';
import { release } from './commands/release.ts';
import { restoreCreate } from './commands/restore-create.ts';
import { restorePlan } from './commands/restore-plan.ts';
import { retentionPlan } from './commands/retention-plan.ts';
import { retentionRun } from './commands/retention-run.ts';
import { serve } from './commands/serve.ts';
import { validate } from './commands/validate.ts';
import { verify } from './commands/verify.ts';
import { version } from './commands/version.ts';
import { volumesFiles } from './commands/volumes-files.ts';
import { volumesLs } from './commands/volumes-ls.ts';
import { volumesOrphans } from './commands/volumes-orphans.ts';
import { volumesRestore } from './commands/volumes-restore.ts';
import { volumesUpkeep } from './commands/volumes-upkeep.ts';

/** Everything that `holdfast` can do, in the order in which one meets it. */
export const tree: readonly (CommandSpec | CommandBranch)[] = [
  { name: 'keys', summary: 'Make the keys that seal and sign backups', commands: [keysGenerate] },
  init,
  {
    name: 'backup',
    summary: 'Take backups, look at them, delete single ones',
    commands: [backupCreate, backupGet, backupDescribe, backupDelete],
  },
  verify,
  { name: 'restore', summary: 'Bring a cluster back', commands: [restorePlan, restoreCreate] },
  {
    name: 'volumes',
    summary: 'Look at the volumes of backups, bring single ones back, and clear what is left over',
    commands: [volumesLs, volumesFiles, volumesRestore, volumesOrphans, volumesUpkeep],
  },
  validate,
  { name: 'retention', summary: 'Delete backups that are kept no longer', commands: [retentionPlan, retentionRun] },
  hold,
  release,
  { name: 'ledger', summary: 'Look at what was done, and check that nobody altered the record of it', commands: [ledgerGet, ledgerVerify] },
  serve,
  { name: 'config', summary: 'Look at settings, and check a file of them', commands: [configView, configCheck, configSchema] },
  version,
  completion,
  mover,
];

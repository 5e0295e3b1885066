import type { Work as AskedWork, Caller } from '../api/service.ts';
import { demandedBackup } from './backup-jobs.ts';
import { validateJob, verifyJob } from './check-jobs.ts';
import { deleteJob } from './delete-jobs.ts';
import type { Prepared } from './job.ts';
import { restoreJob } from './restore-jobs.ts';
import { retentionJob } from './retention-jobs.ts';
import { volumeRestoreJob } from './volume-jobs.ts';
import type { World } from './world.ts';

/** A job for what was asked; everything that can be refused is refused here, before it is accepted. */
export async function prepare(world: World, asked: AskedWork, caller: Caller, signal: AbortSignal): Promise<Prepared> {
  switch (asked.kind) {
    case 'backup':
      return demandedBackup(world, asked, caller);
    case 'restore':
      return restoreJob(world, asked, caller, signal);
    case 'volume-restore':
      return volumeRestoreJob(world, asked, caller, signal);
    case 'verify':
      return verifyJob(world, asked, caller, signal);
    case 'validate':
      return validateJob(world, asked, caller, signal);
    case 'retention':
      return retentionJob(world, asked, caller.actor);
    case 'delete':
      return deleteJob(world, asked, caller.actor, signal);
  }
}

import type { MoverRequest } from '../domain/mover.ts';
import { packing } from './backup.ts';
import { faultOf } from './failures.ts';
import { MoverFault } from './fault.ts';
import { runInRepository } from './repository.ts';
import type { Restic } from './restic.ts';
import { countOf } from './restic-messages.ts';

/** Forgets the snapshots; those that are gone already are as good as forgotten. Data that nothing else needs goes only with `prune`. */
export async function forget(restic: Restic, { snapshots, prune, tuning }: Extract<MoverRequest, { action: 'forget' }>): Promise<void> {
  if (snapshots.length > 0) {
    const end = await runInRepository(restic, { args: ['forget', '--', ...snapshots] }, { action: 'forget' });
    // restic goes on where it cannot read one, and ends well.
    const unread = end.trouble.find(line => /^Ignoring /.test(line) && !isGone(line));
    if (unread !== undefined) throw faultOf({ ...end, exitText: unread }, 'forget');
  }
  if (prune) await runInRepository(restic, { args: ['prune', ...packing(tuning)] }, { action: 'forget' });
}

function isGone(line: string): boolean {
  return /no matching ID found|no such file or directory|key does not exist|does not exist/i.test(line);
}

/** Checks structure, and with a subset what is in that part of the packs. */
export async function check(restic: Restic, { subset }: Extract<MoverRequest, { action: 'check' }>): Promise<void> {
  const reading = subset === undefined ? [] : [`--read-data-subset=${subset}`];
  const end = await restic({ args: ['check', '--no-lock', ...reading] });
  if (end.code === 0 && countOf(end.summary, 'num_errors') === 0) return;
  const fault = faultOf(end, 'check');
  const undecided = fault.code === 'failed' || fault.code === 'incomplete';
  throw undecided ? new MoverFault('repository-damaged', fault.message) : fault;
}

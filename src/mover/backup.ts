import { stat } from 'node:fs/promises';
import type { MoverRequest, ResticTuning } from '../domain/mover.ts';
import { createRepository } from './create-repository.ts';
import { deviceReaderCommand } from './device-reader-command.ts';
import { MoverFault } from './fault.ts';
import { runInRepository } from './repository.ts';
import type { Restic, ResticEnd } from './restic.ts';
import { countOf, type ResticMessage, textOf } from './restic-messages.ts';

export type BackupRequest = Extract<MoverRequest, { action: 'backup' }>;

/** The one file of a block volume’s restic snapshot. */
export const imageName = 'volume.img';

export interface Backed {
  readonly snapshot: string;
  readonly files: number;
  readonly bytes: number;
  readonly addedBytes: number;
}

/** Backs up the volume, into a repository that is made where there is none. All of it is in the snapshot, or a MoverFault is thrown. */
export async function backup(
  restic: Restic,
  request: BackupRequest,
  context: { readonly environment: Readonly<Record<string, string>>; readonly onMessage: (message: ResticMessage) => void },
): Promise<Backed> {
  await checkVolume(request);
  const args = ['backup', ...common(request), ...(request.mode === 'Block' ? ofDevice(request) : ofFiles(request))];
  const create = () => createRepository(restic, { ...request, environment: context.environment });
  const end = await runInRepository(restic, { args, onMessage: context.onMessage }, { action: 'backup', create });
  return backed(end);
}

function common({ host, tags, time, tuning }: BackupRequest): string[] {
  return ['--host', host, ...tags.flatMap(tag => ['--tag', tag]), '--time', resticTime(time), ...packing(tuning)];
}

export function packing(tuning: ResticTuning): string[] {
  return ['--compression', tuning.compression, '--pack-size', `${tuning.packSize}`];
}

/**
 * A file counts as unchanged where its time of change and its size are those of the last snapshot: in a volume that the storage made of a
 * snapshot, inodes and status times are often new. In the volume itself they are true, and count. Owners, modes and attributes are taken anew
 * in any case.
 */
function ofFiles({ path, tuning, live = false }: BackupRequest): string[] {
  return [...(live ? [] : ['--ignore-inode']), '--read-concurrency', `${tuning.readConcurrency}`, '--', path];
}

/** When the reader fails, restic makes no snapshot. */
function ofDevice({ path }: BackupRequest): string[] {
  return ['--stdin-from-command', '--stdin-filename', imageName, '--', ...deviceReaderCommand(path)];
}

/** restic takes local time; it runs in UTC. */
function resticTime(time: string): string {
  return new Date(time).toISOString().slice(0, 19).replace('T', ' ');
}

async function checkVolume({ mode, path }: BackupRequest): Promise<void> {
  const found = await stat(path).catch((thrown: Error) => {
    throw new MoverFault('volume-unreadable', `the volume is not there: ${thrown.message}`);
  });
  if (mode === 'Filesystem' && !found.isDirectory()) throw new MoverFault('volume-unreadable', `${path} is not a folder`);
  if (mode === 'Block' && !found.isBlockDevice() && !found.isFile()) throw new MoverFault('volume-unreadable', `${path} is not a device`);
}

function backed({ summary }: ResticEnd): Backed {
  const snapshot = textOf(summary, 'snapshot_id');
  if (!/^[0-9a-f]{64}$/.test(snapshot)) throw new MoverFault('failed', 'restic succeeded without naming its snapshot');
  return {
    snapshot,
    files: countOf(summary, 'total_files_processed'),
    bytes: countOf(summary, 'total_bytes_processed'),
    addedBytes: countOf(summary, 'data_added_packed'),
  };
}

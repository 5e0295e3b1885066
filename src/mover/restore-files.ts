import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fillEmpty } from './empty-volume.ts';
import { faultOf, isVolumeFull } from './failures.ts';
import { MoverFault } from './fault.ts';
import type { Restic, ResticEnd } from './restic.ts';
import { countOf, type ResticMessage } from './restic-messages.ts';
import type { Restored, RestoreRequest } from './restore.ts';
import { missingIn, sourceOf } from './snapshot-content.ts';

/**
 * Restores files: all of them, or those named with what is below them. The volume’s own folder gets its owner and mode back too, so it must be
 * named as in the snapshot. What is there already is compared by content, and only what differs is fetched and written.
 */
export async function restoreFiles(
  restic: Restic,
  request: RestoreRequest,
  onMessage: (message: ResticMessage) => void,
): Promise<Restored> {
  const { path } = request;
  const found = await stat(path).catch((thrown: Error) => {
    throw new MoverFault('volume-unreadable', `the volume is not there: ${thrown.message}`);
  });
  if (!found.isDirectory()) throw new MoverFault('volume-unreadable', `${path} is not a folder`);
  if (request.onlyEmpty !== true) return restoreInto(restic, request, onMessage);
  const content = JSON.stringify([request.snapshot, request.include]);
  return (await fillEmpty(path, content, () => restoreInto(restic, request, onMessage))) ?? { files: 0, bytes: 0, occupied: true };
}

async function restoreInto(restic: Restic, request: RestoreRequest, onMessage: (message: ResticMessage) => void): Promise<Restored> {
  const { path, snapshot, include } = request;
  // Movers mount volumes in one place, so this is usually right, and saves a start of restic.
  let end = await restic(restoreCall(request, path, onMessage));
  if (restored(end).files === 0 && (end.code === 0 || /^path .*: not found$/.test(end.exitText))) {
    const source = await sourceOf(restic, snapshot);
    if (basename(source) !== basename(path)) {
      throw new MoverFault('failed', `the snapshot is of ${source}: mount the volume at a folder of the same name`);
    }
    if (source !== path) end = await restic(restoreCall(request, source, onMessage));
  }
  if (end.code !== 0 || end.itemCount > 0) throw faultOf(end, 'restore');
  if (include.length === 0) return restored(end);
  // restic leaves out in silence what is not in the snapshot.
  const missing = await missingIn(restic, request);
  if (missing.length > 0) throw new MoverFault('snapshot-missing', `not in the snapshot: ${missing.slice(0, 10).join(', ')}`);
  return restored(end);
}

function restoreCall(
  { path, snapshot, include, deleteOthers }: RestoreRequest,
  source: string,
  onMessage: (message: ResticMessage) => void,
) {
  const root = `/${basename(source)}`;
  const wanted = include.length === 0 ? [root] : include.map(item => join(root, item).replace(/(?<=.)\/$/, ''));
  return {
    args: [
      ...['restore', '--no-lock', '--sparse', '--target', dirname(path), ...(deleteOthers ? ['--delete'] : [])],
      ...wanted.flatMap(item => ['--include', literal(item)]),
      `${snapshot}:${dirname(source)}`,
    ],
    onMessage,
    endOn: (message: ResticMessage) => message.type === 'error' && isVolumeFull(message.text),
  };
}

/** Files, folders and all else that is right now, written or found so. */
function restored({ summary }: ResticEnd): Restored {
  return {
    files: countOf(summary, 'files_restored') + countOf(summary, 'files_skipped'),
    bytes: countOf(summary, 'bytes_restored') + countOf(summary, 'bytes_skipped'),
  };
}

/** A pattern of restic that matches this path alone. */
function literal(path: string): string {
  return path.replace(/[\\*?[\]]/g, '\\$&');
}

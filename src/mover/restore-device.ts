import { type FileHandle, open } from 'node:fs/promises';
import type { MoverProgress } from '../domain/mover.ts';
import { imageName } from './backup.ts';
import { writeDevice } from './device-writer.ts';
import { faultOf, isVolumeFull } from './failures.ts';
import { MoverFault } from './fault.ts';
import type { Restic } from './restic.ts';
import type { Restored, RestoreRequest } from './restore.ts';
import { sizeOf } from './snapshot-content.ts';

/** Restores a block volume: `restic dump` into the device. A device that is larger keeps what it has beyond the image. */
export async function restoreDevice(
  restic: Restic,
  { path, snapshot }: RestoreRequest,
  report: (progress: MoverProgress['progress']) => void,
): Promise<Restored> {
  const size = await sizeOf(restic, snapshot, `/${imageName}`);
  const target = await openDevice(path, size);
  try {
    let written = 0;
    const end = await restic({
      args: ['dump', '--no-lock', snapshot, `/${imageName}`],
      consume: async output => {
        const progress = await writeDevice(output, target, ({ done }) => report({ files: 0, bytes: done, totalBytes: size }));
        written = progress.done;
      },
    }).catch((thrown: Error) => {
      if (thrown instanceof MoverFault) throw thrown;
      throw new MoverFault(isVolumeFull(thrown.message) ? 'volume-full' : 'volume-unreadable', thrown.message, { cause: thrown });
    });
    if (end.code !== 0) throw faultOf(end, 'restore');
    if (written !== size) throw new MoverFault('repository-damaged', `the image has ${size} bytes, and ${written} came`);
    await finish(target, size);
    return { files: 1, bytes: size };
  } finally {
    await target.close();
  }
}

/** Opens for writing without making anything, and refuses a device that the image does not fit on. */
async function openDevice(path: string, size: number): Promise<FileHandle> {
  const target = await open(path, 'r+').catch((thrown: Error) => {
    throw new MoverFault('volume-unreadable', `the device cannot be written: ${thrown.message}`, { cause: thrown });
  });
  try {
    const found = await target.stat();
    if (!found.isBlockDevice() && !found.isFile()) throw new MoverFault('volume-unreadable', `${path} is not a device`);
    // A device does not tell its size by its status; whether its last byte can be read does.
    if (found.isBlockDevice() && size > 0 && (await target.read(Buffer.alloc(1), 0, 1, size - 1)).bytesRead === 0) {
      throw new MoverFault('volume-full', `the image of ${size} bytes does not fit on the device`);
    }
    return target;
  } catch (thrown) {
    await target.close();
    throw thrown;
  }
}

/** A file ends where the image does, with zeros that were not written; what was written is on the disk. */
async function finish(target: FileHandle, size: number): Promise<void> {
  if ((await target.stat()).isFile()) await target.truncate(size);
  await target.sync();
}

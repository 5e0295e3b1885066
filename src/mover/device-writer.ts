import type { FileHandle } from 'node:fs/promises';

const blockBytes = 2 ** 20;

export interface DeviceProgress {
  /** Bytes that are right now, written or found so. */
  readonly done: number;
  readonly written: number;
}

/**
 * Writes a stream to the start of a device or file, block by block. A block of zeros is written only where something else is: a new volume
 * reads as zeros, and stays as thin as it was. Rejects with what the system says (ENOSPC, EIO); what was written until then stays.
 */
export async function writeDevice(
  source: AsyncIterable<Buffer>,
  target: FileHandle,
  onProgress: (progress: DeviceProgress) => void = () => {},
): Promise<DeviceProgress> {
  const block = Buffer.allocUnsafe(blockBytes);
  const present = Buffer.allocUnsafe(blockBytes);
  const zeros = Buffer.alloc(blockBytes);
  let filled = 0;
  let done = 0;
  let written = 0;
  const flush = async () => {
    const content = block.subarray(0, filled);
    const isZero = content.equals(zeros.subarray(0, filled));
    if (!isZero || !(await readsAs(target, done, zeros.subarray(0, filled), present))) {
      await writeAll(target, content, done);
      written += filled;
    }
    done += filled;
    filled = 0;
    onProgress({ done, written });
  };
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(block, filled, at);
      at += copied;
      filled += copied;
      if (filled === blockBytes) await flush();
    }
  }
  if (filled > 0) await flush();
  return { done, written };
}

/** Beyond the end of a file nothing is read: its zeros come with its length. */
async function readsAs(target: FileHandle, position: number, zeros: Buffer, scratch: Buffer): Promise<boolean> {
  let at = 0;
  while (at < zeros.length) {
    const { bytesRead } = await target.read(scratch, 0, zeros.length - at, position + at);
    if (bytesRead === 0) return true;
    if (!scratch.subarray(0, bytesRead).equals(zeros.subarray(0, bytesRead))) return false;
    at += bytesRead;
  }
  return true;
}

async function writeAll(target: FileHandle, content: Buffer, position: number): Promise<void> {
  for (let at = 0; at < content.length; ) {
    const { bytesWritten } = await target.write(content, at, content.length - at, position + at);
    at += bytesWritten;
  }
}

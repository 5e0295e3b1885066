import { readFile } from 'node:fs/promises';

/** Version 2 of control groups, then version 1; the same paths in every container. */
const files = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];
/** What the mover itself takes, beside restic. */
const ownBytes = 120 * 2 ** 20;
const leastBytes = 64 * 2 ** 20;

/** Bytes that the container may use; undefined where nothing limits it. */
export async function containerMemory(candidates: readonly string[] = files): Promise<number | undefined> {
  for (const file of candidates) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const bytes = Number(text.trim());
    // Version 1 says "unlimited" by a number close to 2^63.
    if (text.trim() !== '' && Number.isFinite(bytes) && bytes < 2 ** 50) return bytes;
  }
  return undefined;
}

/**
 * GOMEMLIMIT for restic in a container of so many bytes: Go collects harder as it comes near, where it would otherwise be killed. Part of
 * what is left is not counted by Go.
 */
export function goMemoryLimit(containerBytes: number): string {
  return `${Math.max(leastBytes, Math.floor((containerBytes - ownBytes) * 0.85))}`;
}

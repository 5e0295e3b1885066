import { randomUUID } from 'node:crypto';
import { access, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from './lock.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** What of a folder of the cache stays: the newest few of each name, and whatever was used a short time ago. */
export interface Keeping {
  readonly newest: number;
  readonly unusedMs: number;
  /** Nothing stays of other names for its newness; all names count where none are given. */
  readonly names?: readonly string[];
}

/** A build takes minutes, and several worktrees may name several versions. */
export const programsKept = { newest: 2, unusedMs: dayMs } satisfies Keeping;
/** Taken to a node as soon as it is asked for. */
export const imagesKept = { newest: 3, unusedMs: hourMs } satisfies Keeping;

/** `csi-driver-07f2d7d5e6ea`, `holdfast-0c569481eb13.tar`; with more behind it what belongs to that: its lock, a log, a half-made file. */
const pattern = /^(?<made>(?<name>[^.]+)-[0-9a-f]{12}(?:\.tar)?)(?<more>\..+)?$/;

interface Made {
  readonly file: string;
  readonly usedAt: number;
}

/** Says that a file of the cache is used now, so that nobody removes it. False where it is not there. */
export async function markUsed(file: string): Promise<boolean> {
  try {
    await utimes(file, new Date(), new Date());
    return true;
  } catch (thrown) {
    // Whoever may not write to the cache may use it.
    return (thrown as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

/**
 * Removes from a folder of the cache what was made under a key of its sources and is not used any more, and what builds that were killed have
 * left for a day. Never what is used: the newest, what was marked a short time ago, what is locked, a program that runs. Any number of
 * processes may do this at the same time. Resolves with the files; what cannot be removed stays.
 */
export async function pruneFolder(dir: string, { newest, unusedMs, names }: Keeping, now = Date.now()): Promise<readonly string[]> {
  const removed: string[] = [];
  const made = new Map<string, Made[]>();
  for (const entry of await readdir(dir).catch(() => [])) {
    const { made: whole, name, more } = pattern.exec(entry)?.groups ?? {};
    if (whole === undefined || name === undefined) continue;
    const file = join(dir, entry);
    if (more === undefined) made.set(name, [...(made.get(name) ?? []), { file, usedAt: await usedAt(file) }]);
    else if (more !== '.json' && (await changedAt(file)) < now - dayMs && (await remove(file))) removed.push(file);
  }
  let running: ReadonlySet<string> | undefined;
  for (const [name, all] of made) {
    const kept = names === undefined || names.includes(name) ? newest : 0;
    for (const { file } of all.toSorted((a, b) => b.usedAt - a.usedAt).slice(kept)) {
      const isUsed = async (at: string) => (await usedAt(at)) > now - unusedMs;
      if ((await isUsed(file)) || (await exists(`${file}.lock`))) continue;
      running ??= await runningPrograms();
      if (running.has(await identity(file))) continue;
      const done = await withLock(`${file}.lock`, () => removeUnless(isUsed, file)).catch(() => false);
      if (done) removed.push(file);
    }
  }
  return removed;
}

async function removeUnless(isUsed: (file: string) => Promise<boolean>, file: string): Promise<boolean> {
  if (await isUsed(file)) return false;
  if (await exists(`${file}.json`)) {
    // Whoever wants it holds the lock to look. What says that it is whole goes first.
    await rm(`${file}.json`, { force: true });
    await rm(file, { force: true });
    return true;
  }
  // Out of the way first: whoever marks it as used from then on sees that it is not there, and waits for the lock.
  const aside = `${file}.${randomUUID()}`;
  await rename(file, aside);
  const isMarked = await isUsed(aside);
  await (isMarked ? rename(aside, file) : rm(aside, { recursive: true, force: true }));
  return !isMarked;
}

/** An image is marked at what is written beside it. */
async function usedAt(file: string): Promise<number> {
  return Math.max(await changedAt(file), await changedAt(`${file}.json`));
}

async function changedAt(file: string): Promise<number> {
  return stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

async function identity(file: string): Promise<string> {
  return stat(file).then(
    ({ dev, ino }) => `${dev}:${ino}`,
    () => '',
  );
}

/** By device and inode: a program that runs in another namespace has another path. None where there is no /proc. */
async function runningPrograms(): Promise<ReadonlySet<string>> {
  const processes = (await readdir('/proc').catch(() => [])).filter(entry => /^\d+$/.test(entry));
  return new Set(await Promise.all(processes.map(pid => identity(`/proc/${pid}/exe`))));
}

async function remove(file: string): Promise<boolean> {
  return rm(file, { recursive: true, force: true }).then(
    () => true,
    () => false,
  );
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

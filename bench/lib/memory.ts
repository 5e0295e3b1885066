import { readdir, readFile } from 'node:fs/promises';

/** What a process and its descendants held at most, in bytes. */
export interface PeakMemory {
  /** The process itself, by the kernel's own high-water mark. */
  readonly process: number;
  /** All processes of the tree at one moment, as often as they were looked at; pages that they share count once, as they do for their pod. */
  readonly tree: number;
}

const intervalMs = 25;
/** The whole tree is looked at less often: it costs a read per process. */
const treeEvery = 8;

/** Watches a process until `stop`, which returns what was seen. A process that is gone counts as it was last seen. */
export function watchMemory(pid: number): { stop(): Promise<PeakMemory> } {
  let peak = 0;
  let tree = 0;
  let ended = false;
  const look = async () => {
    for (let i = 0; !ended; i++) {
      peak = Math.max(peak, (await memoryOf(pid, 'VmHWM')) ?? 0);
      if (i % treeEvery === 0) tree = Math.max(tree, await treeMemory(pid));
      await new Promise(resolve => setTimeout(resolve, intervalMs));
    }
  };
  const looking = look();
  return {
    stop: async () => {
      peak = Math.max(peak, (await memoryOf(pid, 'VmHWM')) ?? 0);
      ended = true;
      await looking;
      return { process: peak, tree };
    },
  };
}

async function treeMemory(pid: number): Promise<number> {
  const own = (await proportionalMemoryOf(pid)) ?? 0;
  const children = await childrenOf(pid);
  const theirs = await Promise.all(children.map(treeMemory));
  return theirs.reduce((sum, bytes) => sum + bytes, own);
}

/** A page that several processes have is shared out among them (`Pss`). */
async function proportionalMemoryOf(pid: number): Promise<number | undefined> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  const kib = /^Pss:\s+(\d+) kB/m.exec(rollup)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

async function memoryOf(pid: number, field: 'VmHWM'): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(threads.map(thread => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')));
  return lists.flatMap(list => list.trim().split(' ')).flatMap(text => (text === '' ? [] : [Number(text)]));
}

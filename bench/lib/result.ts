import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';

/** One line of a result. Where there is no peer to compare with, `peer`, `peerName` and `ratio` are null. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer: number | null;
  readonly peerName: string | null;
  /** ours ÷ peer */
  readonly ratio: number | null;
  /** `≥ 4×` and `≤ 0.5×` are about the ratio, `≤ 256` about ours in its unit. */
  readonly goal: string | null;
}

/** One file in bench/results/. */
export interface Result {
  readonly name: string;
  /** When it was measured, RFC 3339 in UTC. */
  readonly at: string;
  readonly machine: { readonly cores: number; readonly memoryGiB: number; readonly kernel: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

export const resultsDir = join(import.meta.dirname, '..', 'results');

export function row(what: string, unit: string, ours: number, peer?: { name: string; value: number }, goal?: string): Row {
  return {
    what,
    unit,
    ours: rounded(ours),
    peer: peer === undefined ? null : rounded(peer.value),
    peerName: peer?.name ?? null,
    ratio: peer === undefined || peer.value === 0 ? null : rounded(ours / peer.value),
    goal: goal ?? null,
  };
}

/** Three significant digits; whole numbers from 100 on. */
export function rounded(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

export async function writeResult(dir: string, name: string, versions: Record<string, string>, rows: readonly Row[]): Promise<string> {
  const machine = { cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), kernel: release() };
  const result: Result = { name, at: new Date().toISOString(), machine, versions, rows };
  await mkdir(dir, { recursive: true });
  const file = join(dir, `${name}.json`);
  await writeFile(`${file}.new`, `${JSON.stringify(result, null, 2)}\n`);
  await rename(`${file}.new`, file);
  return file;
}

/** All results of a directory, by name, numbers in names as numbers. */
export async function readResults(dir: string): Promise<Result[]> {
  const names = (await readdir(dir).catch(() => [])).filter(name => name.endsWith('.json'));
  names.sort(new Intl.Collator('en', { numeric: true }).compare);
  return Promise.all(names.map(async name => JSON.parse(await readFile(join(dir, name), 'utf8')) as Result));
}

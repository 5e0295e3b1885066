/** Renders the results as the README's table. `--write` puts it there, `--check` exits 1 where it differs; without either it is printed. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectDir } from './lib/context.ts';
import { type Result, type Row, readResults, resultsDir } from './lib/result.ts';

const begin = '<!-- bench:begin -->';
const end = '<!-- bench:end -->';
const readme = join(projectDir, 'README.md');

const titles: Readonly<Record<string, string>> = { claims: 'Volume claims, 20 in one backup' };

const mode = process.argv[2];
const table = render(await readResults(resultsDir));
if (mode === undefined) console.log(table);
else if (mode === '--write' || mode === '--check') await update(mode);
else {
  console.error('node bench/table.ts [--write | --check]');
  process.exitCode = 2;
}

async function update(mode: '--write' | '--check'): Promise<void> {
  const text = await readFile(readme, 'utf8').catch(() => undefined);
  if (text === undefined) return console.error('README.md is not there');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) {
    console.error(`README.md has no ${begin} … ${end}`);
    process.exitCode = 1;
    return;
  }
  const block = table === '' ? '\n' : `\n${table}\n`;
  const wanted = text.slice(0, from + begin.length) + block + text.slice(to);
  if (wanted === text) return;
  if (mode === '--write') return writeFile(readme, wanted);
  console.error('the table in README.md is not that of bench/results/: run `node bench/table.ts --write`');
  process.exitCode = 1;
}

/** A table a result, in the order of their names. */
export function render(results: readonly Result[]): string {
  return results.map(renderResult).join('\n\n');
}

function renderResult({ name, at, machine, versions, rows }: Result): string {
  const machineText = `${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}`;
  const versionText = Object.entries(versions).map(([program, version]) => `${program} ${version.replace(/^v/, '')}`);
  return [
    `**${title(name)}**, measured ${at.slice(0, 10)} on ${machineText}; ${versionText.join(', ')}:`,
    '',
    '| | Holdfast | compared with | ratio | goal |',
    '|---|---:|---:|---:|---|',
    ...rows.map(renderRow),
  ].join('\n');
}

/** `backup-20000` → `Backup of 20,000 objects` */
function title(name: string): string {
  if (titles[name] !== undefined) return titles[name];
  const [word = '', objects] = name.split('-');
  const capital = word.charAt(0).toUpperCase() + word.slice(1);
  return objects === undefined ? capital : `${capital} of ${number(Number(objects))} objects`;
}

function renderRow({ what, unit, ours, peer, peerName, ratio, goal }: Row): string {
  const cells = [
    what,
    `${number(ours)} ${unit}`,
    peer === null ? '' : `${peerName}: ${number(peer)} ${unit}`,
    ratio === null ? '' : `${number(ratio)}×`,
    goal === null ? '' : `${goal} ${isMet(goal, ours, ratio) ? 'met' : '**missed**'}`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function isMet(goal: string, ours: number, ratio: number | null): boolean {
  const [, sign, bound = '', times] = /^([≤≥]) ([\d.]+)(×?)$/.exec(goal) ?? [];
  const value = times === '×' ? ratio : ours;
  if (sign === undefined || value === null) throw new Error(`cannot read the goal ${JSON.stringify(goal)}`);
  return sign === '≤' ? value <= Number(bound) : value >= Number(bound);
}

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 3 });
}

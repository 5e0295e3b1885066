import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorTable, exitCodes } from '../../src/domain/errors.ts';
import { documents, projectRoot } from '../helpers/documents.ts';

/** GitHub's anchor of a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[`*]/g, '')
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
}

function headings(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(match => anchor(match[1]!));
}

describe('documentation', () => {
  it.each(documents)('%s links only to what is there', name => {
    const text = readFileSync(join(projectRoot, name), 'utf8').replace(/```[\s\S]*?```/g, '');
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const [path, fragment] = target!.split('#') as [string, string?];
      const file = path === '' ? join(projectRoot, name) : resolve(projectRoot, dirname(name), path);
      expect(existsSync(file), `${name} → ${target}`).toBe(true);
      if (fragment !== undefined && file.endsWith('.md')) expect(headings(file), `${name} → ${target}`).toContain(fragment);
    }
  });

  it.each(documents)('%s has no table that is broken off: by an empty line, or by a comment', name => {
    const lines = readFileSync(join(projectRoot, name), 'utf8')
      .replace(/```[\s\S]*?```/g, '')
      .split('\n');
    const starts = lines.flatMap((line, at) => (line.startsWith('|') && !lines[at - 1]?.startsWith('|') ? [at] : []));
    for (const at of starts) expect(lines[at + 1], `${name}: ${lines[at]}`).toMatch(/^\|(?: ?:?-+:? ?\|)+$/);
  });

  it('shows the benchmarks as they were measured', () => {
    const ran = spawnSync(process.execPath, ['bench/table.ts', '--check'], { cwd: projectRoot, encoding: 'utf8' });
    expect(ran.stderr).toBe('');
    expect(ran.status).toBe(0);
  });

  it('names every exit code, and no other, in the table of the README', () => {
    const text = readFileSync(join(projectRoot, 'README.md'), 'utf8');
    const [table = ''] = /\| Exit code \|[\s\S]*?\n\n/.exec(text) ?? [];
    const named = Array.from(table.matchAll(/^\| (\d+) \| .{4,} \|$/gm), ([, code]) => Number(code));
    expect(named).toEqual(Object.values(exitCodes));
  });

  it('gives every error a hint that says what to do next', () => {
    for (const [code, row] of Object.entries(errorTable)) expect(row.hint.length, code).toBeGreaterThan(15);
  });
});

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allFlagNames, commandIn, documentedLines, documentedSpans, fencedBlocks, wrongIn } from '../helpers/command-lines.ts';
import { documents, projectRoot } from '../helpers/documents.ts';

describe('a line that names a command', () => {
  it.each(['backup create --nonsense', 'backup make', 'nonsense', 'restore plan', 'verify latest --tier daily'])(
    'is not understood where it is wrong: holdfast %s',
    line => {
      expect(() => commandIn(`holdfast ${line}`)).toThrow();
    },
  );

  it('is wrong in a sentence, too, where its command or its flags are', () => {
    expect(wrongIn('holdfast restore plan|create --identity FILE')).toEqual([]);
    expect(wrongIn('holdfast restore')).toEqual([]);
    expect(wrongIn('holdfast restore plan|make')).toEqual(['restore has no plan|make']);
    expect(wrongIn('holdfast mend')).toEqual(['there is no command mend']);
    expect(wrongIn('holdfast verify --tier=daily')).toEqual(['there is no --tier']);
  });
});

const lines = documentedLines();

describe('the documents', () => {
  it('have command lines, with variables or a folder before them, too', () => {
    expect(lines.length).toBeGreaterThan(30);
  });

  it.each(lines)('$file: $text', ({ text }) => {
    expect(commandIn(text)).toBeDefined();
  });

  const mentions = documentedSpans().filter(({ text }) => /^holdfast [a-z]/.test(text));

  it.each(mentions)('$file says “$text”', ({ text }) => {
    expect(wrongIn(text)).toEqual([]);
  });

  /** Of the API server, and of restic. */
  const ofOthers = new Set(['--etcd-servers-overrides', '--sparse']);

  it('name no flag that no command has', () => {
    const known = allFlagNames();
    const named = documentedSpans()
      // Decisions and measurements speak of the flags of Node and restic.
      .filter(({ file }) => /^(?:[A-Z]+|docs\/[\w-]+)\.md$/.test(file))
      .flatMap(({ file, text }) => (/^--?[a-z]/.test(text) ? [{ file, flag: text.split(/[\s=]/)[0]! }] : []));
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter(({ flag }) => !known.has(flag) && !ofOthers.has(flag))).toEqual([]);
    expect([...ofOthers].filter(flag => !named.some(one => one.flag === flag))).toEqual([]);
  });

  it('name no target of make, and no program of this project, that is not there', () => {
    const targets = readFileSync(join(projectRoot, 'Makefile'), 'utf8');
    const texts = [...documentedSpans().map(({ text }) => text), ...documents.flatMap(fencedBlocks)];
    const named = (pattern: RegExp) => texts.flatMap(text => [...text.matchAll(pattern)].map(([, name]) => name!));
    const made = named(/^make ([a-z]+)/gm);
    expect(made).toContain('demo');
    expect(made.filter(name => !new RegExp(`^${name}:`, 'm').test(targets))).toEqual([]);
    const programs = named(/^node (\w[^ ]*\.ts)/gm);
    expect(programs.length).toBeGreaterThan(0);
    expect(programs.filter(file => !existsSync(join(projectRoot, file)))).toEqual([]);
  });
});

import type { z } from 'zod';
import { HoldfastError } from '../domain/errors.ts';
import { namesAt } from './leaves.ts';
import { Settings } from './schema.ts';

/** Something in the configuration that cannot be meant. */
export interface Problem {
  /** `holdfast.yaml:3: concurrency must be at least 1` */
  readonly message: string;
  readonly hint?: string;
}

/** What is wrong with a setting that is well formed by itself. */
export interface Finding {
  readonly path: readonly string[];
  readonly message: string;
  readonly hint?: string;
  /** A warning is what may be meant, but hardly is. */
  readonly severity: 'error' | 'warning';
}

/** One way for settings to come in. `where` names a setting's place in words that its author can find. */
export interface Source {
  readonly content: unknown;
  readonly directory: string;
  where(path: readonly PropertyKey[]): string;
}

export function asError({ message, hint }: Problem): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', message, {
    hint: hint ?? 'correct the named setting and run again; holdfast config schema says what it may be',
  });
}

/** What the schema found, in words for whoever wrote it: names that are not known first, since what is missing is often misspelt. */
export function problemsIn(error: z.ZodError, source: Source, schema: z.ZodType = Settings): Problem[] {
  const unknown = error.issues.flatMap(issue =>
    issue.code === 'unrecognized_keys' ? issue.keys.map(key => unknownSetting([...issue.path, key], source, schema)) : [],
  );
  const wrong = error.issues.flatMap(issue => {
    if (issue.code === 'unrecognized_keys') return [];
    if (issue.code === 'invalid_key') return [problemAt(issue.path, issue.issues[0]?.message ?? issue.message, source)];
    const missing = issue.code === 'invalid_type' && valueAt(source.content, issue.path) === undefined;
    return [problemAt(issue.path, missing ? 'is missing' : issue.message, source)];
  });
  return [...unknown, ...wrong];
}

function valueAt(content: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, name) => (value as Record<PropertyKey, unknown> | null | undefined)?.[name], content);
}

/** A problem with the setting at a path. */
export function problemAt(path: readonly PropertyKey[], message: string, source: Source, hint?: string): Problem {
  const name = settingOf(path);
  const place = source.where(path);
  const named = name === '' || place.startsWith('--') || place.startsWith('HOLDFAST_') ? message : `${name} ${message}`;
  return { message: `${place}: ${named}`, ...(hint === undefined ? {} : { hint }) };
}

/** The setting that a path of the file is about: list positions belong to their list. */
export function settingOf(path: readonly PropertyKey[]): string {
  return path.filter(segment => typeof segment === 'string').join('.');
}

function unknownSetting(path: readonly PropertyKey[], source: Source, schema: z.ZodType): Problem {
  const name = String(path.at(-1));
  const known = namesAt(schema, path.slice(0, -1));
  const meant = known
    .map(candidate => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.ceil(candidate.length / 4))
    .sort((a, b) => a.distance - b.distance)[0];
  const message = `${source.where(path)}: unknown setting ${path.map(String).join('.')}; there are ${known.join(', ')}`;
  return meant === undefined ? { message } : { message, hint: `did you mean ${meant.candidate}?` };
}

/** Letters to change, add or leave out to get from one word to the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

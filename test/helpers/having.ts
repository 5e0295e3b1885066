import { describe, it } from 'vitest';
import { findProgram } from '../cluster/system-programs.ts';

type Test = () => Promise<void>;

export interface Having {
  readonly describe: (name: string, tests: () => void) => void;
  readonly it: (name: string, ...rest: [Test] | [{ readonly timeout: number }, Test]) => void;
}

/** For tests that run programs of the machine’s own. Where one of these is missing they are skipped, and their names say why. */
export function having(...programs: readonly string[]): Having {
  const missing = programs.filter(name => findProgram(name) === undefined);
  const named = (name: string) => (missing.length === 0 ? name : `${name} (skipped: not on this machine: ${missing.join(', ')})`);
  return {
    describe: (name, tests) => void describe.skipIf(missing.length > 0)(named(name), tests),
    it: (name, ...rest) => {
      const [options, test] = rest.length === 1 ? [{}, rest[0]] : rest;
      it.skipIf(missing.length > 0)(named(name), options, test);
    },
  };
}

/** Where a program is that the test cannot do without. */
export function programPath(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is not installed`);
  return path;
}

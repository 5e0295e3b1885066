import { describe, test } from 'vitest';

/** What some tests need, and a machine may lack. */
export interface Need {
  /** In a sentence after “asks for”: `a node`. */
  readonly what: string;
  /** Why it is not to be had here; undefined where it is. */
  readonly missing: string | undefined;
  /** With 1 in this variable tests that need it fail without it, so that a machine that shall run everything cannot pass without them. */
  readonly requiredBy: `HOLDFAST_TEST_REQUIRE_${string}`;
}

/** What becomes of tests that need something: where it is missing they are left out, unless it is required. */
export function dutyOf({ missing, requiredBy }: Need, environment: NodeJS.ProcessEnv): 'run' | 'skip' | 'fail' {
  if (missing === undefined) return 'run';
  return environment[requiredBy] === '1' ? 'fail' : 'skip';
}

/** A `describe` for tests that need it. Where it is missing they are skipped, or fail where it is required, and say why. */
export function describeWhere(need: Need, name: string, tests: () => void): void {
  const duty = dutyOf(need, process.env);
  if (duty === 'run') describe(name, tests);
  else if (duty === 'skip') describe.skip(`${name} (skipped: ${need.missing})`, tests);
  else {
    test(name, () => {
      throw new Error(`${need.requiredBy} asks for ${need.what}, which is not to be had here: ${need.missing}`);
    });
  }
}

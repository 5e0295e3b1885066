import { homedir } from 'node:os';

/** What the process was started with, read once and passed on: nothing else looks at `process.env`. */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Working directory, for relative paths. */
  readonly directory: string;
  readonly home: string;
}

export function processEnvironment(): Environment {
  return { variables: process.env, directory: process.cwd(), home: homedir() };
}

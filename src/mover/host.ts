import type { Environment } from './secrets.ts';

/** What a mover has of its pod; a test brings its own. */
export interface MoverHost {
  /** Folder of `moverSecrets`. */
  readonly secretsDir: string;
  /** File that takes the result. */
  readonly resultFile: string;
  /** The restic program: a path, or a name to look for in PATH. */
  readonly restic: string;
  /** Of the container; only what restic needs of it is passed on. */
  readonly environment: Environment;
  /** Where restic may write its cache and temporary files. */
  readonly temporaryDir: string;
  /** A store that has not answered once by then does not answer, milliseconds. After its first answer restic tries again for 15 minutes. */
  readonly storePatienceMs: number;
  /** Lines of standard output. */
  readonly print: (line: string) => void;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** Aborted when the pod is ended. */
  readonly signal: AbortSignal;
}

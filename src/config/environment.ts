import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { HoldfastError } from '../domain/errors.ts';

/** What the process was started with, read once and passed on: nothing else looks at `process.env`. */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Working directory, for relative paths. */
  readonly directory: string;
  readonly home: string;
}

export function processEnvironment(): Environment {
  return {
    variables: process.env,
    home: homedir(),
    get directory() {
      return workingDirectory();
    },
  };
}

/** CONFIG_INVALID where it has been removed. */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (thrown) {
    throw new HoldfastError('CONFIG_INVALID', 'the working directory is not there any more', {
      cause: thrown,
      hint: 'change to a folder that is there (cd), and run the command again',
    });
  }
}

/**
 * A folder of this user alone for what can be made again at any time (XDG Base Directory Specification). Undefined where the user has no
 * cache folder yet, as in most containers: nothing is written there unasked.
 */
export function cacheDirectory({ variables, home }: Environment): string | undefined {
  const { XDG_CACHE_HOME: named = '' } = variables;
  const base = isAbsolute(named) ? named : join(home, '.cache');
  return existsSync(base) ? join(base, 'holdfast', 'compiled') : undefined;
}

/** The pod that this process runs in: `POD_NAME`, else its host’s name, which is the pod’s. Undefined outside of pods. */
export async function ownPod(environment: Environment): Promise<{ readonly namespace: string; readonly name: string } | undefined> {
  const { POD_NAME: named = '', HOSTNAME: host = '' } = environment.variables;
  const [namespace, name] = [await ownNamespace(environment), named || host];
  return namespace === undefined || name === '' ? undefined : { namespace, name };
}

/** The namespace of the pod that this process runs in: `POD_NAMESPACE`, else that of its service account. Undefined outside of pods. */
export async function ownNamespace({ variables }: Environment): Promise<string | undefined> {
  const { POD_NAMESPACE: named = '' } = variables;
  if (named !== '') return named;
  return await readFile('/var/run/secrets/kubernetes.io/serviceaccount/namespace', 'utf8').then(
    text => text.trim() || undefined,
    () => undefined,
  );
}

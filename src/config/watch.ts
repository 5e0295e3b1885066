import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { asHoldfastError, type HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';
import { changesBetween, type SettingChange } from './changes.ts';
import type { Config } from './load.ts';

export interface WatchOptions {
  /** What is in force now. */
  readonly current: Config;
  /** Reads and checks everything anew, as at the start. */
  load(): Promise<Config>;
  /**
   * Takes the settings up when they have changed, and with no changes after a `poke`, or when a file that was invalid is as it was before. Where it
   * rejects, what was in force stays, and it is tried again: what it lacks may come without the file changing.
   */
  onChange(config: Config, changes: readonly SettingChange[]): Promise<void>;
  /** The file cannot be used; what was in force stays. Once for each content and reason, and for each `poke`. */
  onInvalid(error: HoldfastError): void;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

export interface ConfigWatch {
  /** Looks at once and loads in any case, as for SIGHUP. */
  poke(): void;
  /** Resolves once the signal has ended it; never rejects. */
  readonly ended: Promise<void>;
}

const everyMs = 5000;
/** A file that changes within this time is still being written. */
const settledMs = 200;

/**
 * Follows the configuration file. Its content is compared, so that it does not matter how it is replaced: a mounted ConfigMap changes by a
 * symbolic link two folders up, of which no file system event tells.
 */
export function watchConfig(options: WatchOptions): ConfigWatch {
  const { runtime, signal } = options;
  let poked = new AbortController();
  /** Tells whether it was cut short by a poke; one that came earlier counts. */
  const pause = async (): Promise<boolean> => {
    try {
      await runtime.sleep(everyMs, AbortSignal.any([signal, poked.signal]));
      return false;
    } catch (thrown) {
      if (signal.aborted || !poked.signal.aborted) throw thrown;
      poked = new AbortController();
      return true;
    }
  };
  return { poke: () => poked.abort(), ended: follow(options, pause).catch(() => {}) };
}

async function follow(options: WatchOptions, pause: () => Promise<boolean>): Promise<void> {
  const { load, onChange, onInvalid, runtime, signal } = options;
  let { current } = options;
  // Unknown at first, since the file may have changed after it was loaded, and while it cannot be used.
  let seen: string | undefined;
  let trouble: string | undefined;
  while (!signal.aborted) {
    const wasPoked = await pause();
    const content = await fingerprint(current.file);
    if (!wasPoked && content === seen) continue;
    if (!wasPoked) {
      await runtime.sleep(settledMs, signal);
      if ((await fingerprint(current.file)) !== content) continue;
    }
    try {
      const loaded = await load();
      signal.throwIfAborted();
      const changes = changesBetween(current, loaded);
      if (changes.length > 0 || wasPoked || trouble !== undefined) await onChange(loaded, changes);
      current = loaded;
      seen = content;
      trouble = undefined;
    } catch (thrown) {
      if (signal.aborted) return;
      seen = undefined;
      const error = asHoldfastError(thrown);
      const told = `${content} ${error.message}`;
      if (wasPoked || told !== trouble) onInvalid(error);
      trouble = told;
    }
  }
}

/** SHA-256 of the content, or why there is none. */
async function fingerprint(file: string | undefined): Promise<string> {
  if (file === undefined) return 'no file';
  return readFile(file).then(
    content => createHash('sha256').update(content).digest('hex'),
    (error: NodeJS.ErrnoException) => `unreadable: ${error.code}`,
  );
}

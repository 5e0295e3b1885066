import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll } from 'vitest';
import type { Environment } from '../../src/config/environment.ts';
import { type Config, type FlagValue, loadConfig } from '../../src/config/load.ts';
import { isCode } from '../../src/domain/errors.ts';
import { tempDir } from '../cluster/temp-dir.ts';

export interface ConfigFiles {
  /** A path below the working directory. */
  path(...names: string[]): string;
  environment(variables?: Record<string, string>): Environment;
  /** Writes `etc/holdfast.yaml`, and gives its name as a user would. */
  file(text: string): Promise<string>;
  load(variables: Record<string, string>, flags?: readonly FlagValue[], name?: string): Promise<Config>;
}

/** A working directory for one test file, where configuration is read. */
export function configFiles(): ConfigFiles {
  let directory = '';
  beforeAll(async () => {
    directory = await tempDir('config');
    await mkdir(join(directory, 'etc'));
  });
  const environment = (variables = {}): Environment => ({ variables, directory, home: '/home/someone' });
  return {
    environment,
    path: (...names) => join(directory, ...names),
    file: async text => {
      await writeFile(join(directory, 'etc', 'holdfast.yaml'), text);
      return 'etc/holdfast.yaml';
    },
    load: (variables, flags = [], name) => loadConfig(environment(variables), { flags, file: name }),
  };
}

export const flag = (setting: string, value: unknown): FlagValue => ({ setting, flag: `--${setting}`, value });

/** The message of the CONFIG_INVALID that it fails with. */
export async function failure(run: Promise<unknown>): Promise<string> {
  const thrown = await run.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!isCode(thrown, 'CONFIG_INVALID')) throw new Error(`expected CONFIG_INVALID, got ${thrown}`);
  return thrown.message;
}

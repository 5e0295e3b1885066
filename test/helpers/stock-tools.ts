import { execFile } from 'node:child_process';
import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { binary } from '../cluster/binaries.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { programPath } from './having.ts';

const document = join(import.meta.dirname, '../../docs/volumes-without-us.md');
/** What docs/volumes-without-us.md says is needed, and the usual small programs. */
const tools = ['jq', 'openssl', 'bash', 'base64', 'dirname', 'head', 'rm', 'sed', 'test', 'tr'];

/** A folder with links to these programs and no others. */
export async function stockTools(): Promise<string> {
  const programs = await tempDir('programs');
  for (const name of ['age', 'restic'] as const) await symlink(await binary(name), join(programs, name));
  for (const name of tools) await symlink(programPath(name), join(programs, name));
  return programs;
}

export interface WithoutUs {
  /** Of `stockTools`. */
  readonly programs: string;
  /** All files, or the single one of `FILE`. */
  readonly what: 'all' | 'file';
  /** As the document names them. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Does what docs/volumes-without-us.md says, word for word, with stock programs alone. What it printed. */
export async function bringBackWithoutUs({ programs, what, variables }: WithoutUs): Promise<string> {
  const [signature, password, open, all, file, ...more] = [...(await readFile(document, 'utf8')).matchAll(/^```sh\n(.*?)^```$/gms)].map(
    match => match[1]!,
  );
  if (file === undefined || more.length > 0) throw new Error('the document has other blocks than those that are run here');
  const script = [signature, password, open, what === 'all' ? all : file].join('\n');
  const { stdout } = await promisify(execFile)(join(programs, 'bash'), ['-c', script], {
    env: { PATH: programs, LC_ALL: 'C.UTF-8', ...variables },
    timeout: 120_000,
  });
  return stdout;
}

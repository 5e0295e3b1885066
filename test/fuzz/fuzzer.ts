import { execFile } from 'node:child_process';
import { access, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDir } from '../cluster/binaries.ts';
import { withLock } from '../cluster/lock.ts';

const run = promisify(execFile);

/** Schemathesis, at the version that the suites were written with. */
const version = '4.32.5';
const installMs = 600_000;

export type Fuzzer =
  | { readonly command: string; readonly missing?: undefined }
  | { readonly command?: undefined; readonly missing: string };

/** The `schemathesis` command, installed into the cache when first needed; or why it cannot be had: no Python, or no package index. */
export async function fuzzer(onProgress: (line: string) => void = () => {}): Promise<Fuzzer> {
  const home = join(cacheDir(), `schemathesis-${version}`);
  const command = join(home, 'bin', 'schemathesis');
  if (await exists(command)) return { command };
  try {
    await run('python3', ['-c', 'import venv, ensurepip']);
  } catch {
    return { missing: 'schemathesis needs python3 with venv' };
  }
  await mkdir(dirname(home), { recursive: true });
  // Several files of tests come to it at once.
  return withLock(`${home}.lock`, async () => {
    if (await exists(command)) return { command };
    onProgress(`schemathesis: installing ${version}`);
    try {
      await run('python3', ['-m', 'venv', home]);
      const args = ['install', '--quiet', '--disable-pip-version-check', `schemathesis==${version}`];
      await run(join(home, 'bin', 'pip'), args, { timeout: installMs });
      return { command };
    } catch (thrown) {
      await rm(home, { recursive: true, force: true });
      const { stderr = '', message } = thrown as { stderr?: string; message: string };
      const said = stderr.trim() === '' ? message : stderr;
      return { missing: `schemathesis cannot be installed: ${said.trim().split('\n').at(-1)}` };
    }
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

import { execFile } from 'node:child_process';
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDir } from '../cluster/binaries.ts';
import { tempDir } from '../cluster/temp-dir.ts';

const run = promisify(execFile);

/** The fuzzer, at the version that the suites were written with. */
const version = '4.32.5';

/** For suites that may go without it, and then say why in their names; where `CI` is set they may not. */
export async function fuzzer(): Promise<{ readonly command: string } | { readonly missing: string }> {
  const said: string[] = [];
  const command = await schemathesis(line => said.push(line));
  if (command !== undefined) return { command };
  const missing = said.at(-1) ?? '';
  if (/^(?:1|true)$/i.test(process.env['CI'] ?? '')) throw new Error(missing);
  return { missing };
}

/** The `schemathesis` command, installed into the cache when first needed; undefined where there is no Python, or no package index. */
export async function schemathesis(onProgress: (line: string) => void = () => {}): Promise<string | undefined> {
  const home = join(cacheDir(), `schemathesis-${version}`);
  const command = join(home, 'bin', 'schemathesis');
  if (await exists(command)) return command;
  try {
    await run('python3', ['-c', 'import venv, ensurepip']);
  } catch {
    onProgress('schemathesis: there is no python3 with venv');
    return undefined;
  }
  await mkdir(dirname(home), { recursive: true });
  try {
    onProgress(`schemathesis: installing ${version}`);
    await run('python3', ['-m', 'venv', home]);
    await run(join(home, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', `schemathesis==${version}`], {
      timeout: 300_000,
    });
    return command;
  } catch (thrown) {
    await rm(home, { recursive: true, force: true });
    onProgress(`schemathesis: cannot be installed: ${(thrown as Error).message.split('\n')[0]}`);
    return undefined;
  }
}

export interface FuzzOptions {
  readonly command: string;
  /** Of the service, without a path. */
  readonly url: string;
  readonly token: string;
  /** Cases an endpoint. */
  readonly examples: number;
  readonly seed: number;
  /** What an answer is held to; everything unless given. */
  readonly checks?: readonly string[];
  /** Paths that are left alone. */
  readonly except?: readonly string[];
  /** It stops by then, however far it has come. */
  readonly seconds?: number;
}

export interface FuzzReport {
  readonly ok: boolean;
  /** What it printed: every failure with a command that repeats it. */
  readonly output: string;
}

/** A cancelled operation stays to be seen: DELETE asks it to stop, and takes nothing away. */
const excluded = 'use_after_free';

/** What is well formed may still be impossible: 422 says so. */
const settings = `[checks]
positive_data_acceptance.expected-statuses = ["2xx", 304, 401, 403, 404, 409, 422]
`;

/**
 * Throws requests at every endpoint that the service describes: valid ones, nearly valid ones, nonsense, other methods, no token, and chains of
 * them; and holds every answer to its description.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { command, url, token, examples, seed, checks = ['all'], except = [], seconds } = options;
  const dir = await tempDir('fuzz');
  const args = [
    ...['run', `${url}/openapi.json`, '--checks', checks.join(','), '--exclude-checks', excluded, '--mode', 'all'],
    ...['--max-examples', String(examples), '--seed', String(seed), '--header', `Authorization: Bearer ${token}`],
    ...['--request-timeout', '20', '--continue-on-failure', '--generation-database', 'none'],
    ...except.flatMap(path => ['--exclude-path', path]),
    ...(seconds === undefined ? [] : ['--max-time', String(seconds)]),
  ];
  await writeFile(join(dir, 'schemathesis.toml'), settings);
  try {
    const { stdout } = await run(command, args, {
      cwd: dir,
      timeout: 900_000,
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, NO_COLOR: '1' },
    });
    return { ok: true, output: stdout };
  } catch (thrown) {
    const { stdout = '', stderr = '' } = thrown as { stdout?: string; stderr?: string };
    return { ok: false, output: `${stdout}\n${stderr}` };
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

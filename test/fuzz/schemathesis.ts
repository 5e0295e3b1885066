import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tempDir } from '../cluster/temp-dir.ts';
import { type Answers, readAnswers } from './answers.ts';

const run = promisify(execFile);

export interface FuzzOptions {
  /** Of the fuzzer. */
  readonly command: string;
  /** Of the service, without a path. */
  readonly url: string;
  readonly token: string;
  /** Cases an endpoint, besides those that the description itself leads to. */
  readonly examples: number;
  readonly seed: number;
  /** What an answer is held to; everything unless given. */
  readonly checks?: readonly string[];
  /** Paths that are left alone. */
  readonly except?: readonly string[];
}

export interface FuzzReport extends Answers {
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
  const { command, url, token, examples, seed, checks = ['all'], except = [] } = options;
  const dir = await tempDir('fuzz');
  const record = join(dir, 'record.ndjson');
  const args = [
    ...['run', `${url}/openapi.json`, '--checks', checks.join(','), '--exclude-checks', excluded, '--mode', 'all'],
    ...['--max-examples', String(examples), '--seed', String(seed), '--header', `Authorization: Bearer ${token}`],
    ...['--request-timeout', '60', '--continue-on-failure', '--generation-database', 'none'],
    ...['--report', 'ndjson', '--report-ndjson-path', record],
    ...except.flatMap(path => ['--exclude-path', path]),
  ];
  await writeFile(join(dir, 'schemathesis.toml'), settings);
  const ended = await run(command, args, {
    cwd: dir,
    timeout: 900_000,
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, NO_COLOR: '1' },
  }).then(
    ({ stdout }) => ({ ok: true, output: stdout }),
    ({ stdout = '', stderr = '', message = '' }: { stdout?: string; stderr?: string; message?: string }) => ({
      ok: false,
      output: [message.split('\n')[0], stdout, stderr].join('\n'),
    }),
  );
  // One that was killed leaves half a record, and has failed anyway.
  const none: Answers = { byOperation: new Map(), byStatus: new Map() };
  return { ...ended, ...(ended.ok ? await readAnswers(record) : none) };
}

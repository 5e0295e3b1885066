import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readLedger } from '../../src/repository/ledger.ts';
import { verifyLedger } from '../../src/repository/ledger-verify.ts';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { holdfast } from '../helpers/command.ts';
import { having } from '../helpers/having.ts';
import { type OpenLocation, openTestRepository } from '../helpers/journey.ts';
import type { AppenderSetup } from '../helpers/ledger-program.ts';

const program = join(import.meta.dirname, '../helpers/ledger-program.ts');
const names = ['a', 'b', 'c', 'd'];
const each = 12;

interface Appender {
  readonly child: ChildProcess;
  /** Numbers of the entries that it knows to be written. */
  readonly written: number[];
  /** Resolves when it has written so many. */
  wrote(count: number): Promise<void>;
  readonly ended: Promise<unknown>;
}

async function startAppender(setup: AppenderSetup): Promise<Appender> {
  const child = spawn(process.execPath, [program, JSON.stringify(setup)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const written: number[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const ready = Promise.withResolvers<void>();
  const ended = once(child, 'close');
  createInterface({ input: child.stdout! }).on('line', line => {
    if (line === 'ready') return ready.resolve();
    written.push(Number(line));
    for (const { count, resolve } of waiting) if (written.length >= count) resolve();
  });
  void ended.then(() => ready.reject(new Error(`${setup.name} ended before it began`)));
  await ready.promise;
  return { child, written, ended, wrote: count => new Promise(resolve => waiting.push({ count, resolve })) };
}

describe.each(['a folder', 'MinIO'])('the ledger on %s', where => {
  let server: S3Server | undefined;
  let location: OpenLocation;
  let setup: Omit<AppenderSetup, 'name'>;

  beforeAll(async () => {
    if (where === 'MinIO') {
      server = await startMinio();
      await server.createBucket('ledgers');
      const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
      const options = { endpoint: server.endpoint, bucket: 'ledgers', prefix: 'platform', credentials };
      location = await openTestRepository(createS3Store(options));
      setup = { signingKey: location.signingKey, entries: each, store: options };
    } else {
      location = await openTestRepository();
      setup = { signingKey: location.signingKey, entries: each, store: { dir: location.dir } };
    }
  });
  afterAll(async () => {
    await location?.remove();
    await server?.stop();
  });

  it('stays one gapless chain when four processes add to it and one of them is killed', async () => {
    const appenders = await Promise.all(names.map(name => startAppender({ ...setup, name })));
    const killed = appenders[0]!;
    const half = killed.wrote(each / 2).then(() => killed.child.kill('SIGKILL'));
    for (const { child } of appenders) child.stdin!.end('go\n');
    await half;
    await Promise.all(appenders.map(appender => appender.ended));
    const report = await verifyLedger(location.repository, { trusted: [location.signingPublicKey] });
    expect(report).toMatchObject({ ok: true, problems: [] });
    const entries = await readLedger(location.repository, { limit: 1_000 });
    expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: report.entries }, (_, i) => report.entries - i));
    for (const [n, { written }] of appenders.entries()) {
      const own = entries.filter(({ actor }) => actor.name === names[n]).toReversed();
      expect(own.map(({ subject }) => subject)).toEqual(own.map((_, i) => `${names[n]}-${i}`));
      // What it was told is written is there; the killed one may have written one more.
      expect(own.map(({ seq }) => seq).slice(0, written.length)).toEqual(written);
      if (n > 0) expect(own).toHaveLength(each);
    }
  });
});

describe('the ledger on the command line', () => {
  let location: OpenLocation;
  beforeAll(async () => {
    location = await openTestRepository();
    const appender = await startAppender({ name: 'a', signingKey: location.signingKey, entries: 3, store: { dir: location.dir } });
    appender.child.stdin!.end('go\n');
    await appender.ended;
  });
  afterAll(() => location?.remove());
  const run = (...args: string[]) => holdfast(['ledger', ...args, '--location', `file://${location.dir}`]);

  having('jq', 'openssl').it('can be followed to the same head by the commands of the documentation', async () => {
    const text = await readFile(join(import.meta.dirname, '../../docs/format.md'), 'utf8');
    const script = /```sh\n([\s\S]*?)```/.exec(text.slice(text.indexOf('\n## Ledger\n')))![1]!;
    const key = join(location.dir, 'signing.pub');
    await writeFile(key, location.signingPublicKey);
    const env = { PATH: process.env['PATH'], REPO: location.dir, SIGNING_KEY: key };
    const follow = () => promisify(execFile)('bash', ['-c', script], { env });
    expect((await follow()).stdout).toBe((await run('verify', '-o', 'name')).stdout);
    const second = join(location.dir, 'ledger', '00000002.json');
    const whole = await readFile(second, 'utf8');
    await writeFile(second, whole.replace('a-1', 'a-9'));
    await expect(follow()).rejects.toThrow();
    await writeFile(second, whole);
  });

  it('is listed newest first, gives its head to keep, and shows what happened to it since with exit code 4', async () => {
    const listed = await run('get', '--limit', '2', '-o', 'json');
    expect(JSON.parse(listed.stdout).entries.map(({ subject }: { subject: string }) => subject)).toEqual(['a-2', 'a-1']);
    const { stdout, exit } = await run('verify', '-o', 'name');
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^3:[0-9a-f]{64}\n$/);
    expect((await run('verify', '--expect', stdout.trim())).exit).toBe(0);

    await rm(join(location.dir, 'ledger', '00000003.json'));
    expect((await run('verify')).exit).toBe(0);
    const cut = await run('verify', '--expect', stdout.trim());
    expect(cut.exit).toBe(4);
    expect(cut.stdout).toContain('its end was cut off');

    await rm(join(location.dir, 'ledger', '00000001.json'));
    const broken = await run('verify', '-o', 'json');
    expect(broken.exit).toBe(4);
    expect(JSON.parse(broken.stdout)).toMatchObject({ ok: false, problems: ['entry 1 is missing'] });
    expect((await run('get')).exit).toBe(4);
  });
});

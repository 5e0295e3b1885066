import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateIdentity } from '../../src/crypto/age.ts';
import { configMap, makeRepository, secret, type TestRepository, writeSet } from '../contract/repository-fixture.ts';
import { holdfast, mainFile } from '../helpers/command.ts';

const older = '20261120T020000Z-daily-aaaa';
const newer = '20261121T020000Z-daily-bbbb';
const later = '20261121T140000Z-daily-cccc';
const damaged = '20261122T020000Z-weekly-dddd';

let test: TestRepository;
/** A server that takes requests and never answers. */
let silent: Server;

const path = (name: string) => join(test.dir, name);
/** `@name` in an argument is a file of the test's own folder. */
const run = (line: string, env: Record<string, string> = {}) =>
  holdfast(
    line.split(' ').map(word => word.replace(/^@/, `${test.dir}/`)),
    { env: { HOME: test.dir, XDG_CACHE_HOME: path('cache'), ...env } },
  );

/** The same by a shell, as `"$NODE" "$PROGRAM"`. */
async function shell(script: string): Promise<{ exit: number; stdout: string; stderr: string }> {
  const child = spawn('sh', ['-c', script.replaceAll('@', `${test.dir}/`)], {
    env: { PATH: process.env['PATH'], HOME: test.dir, NODE: process.execPath, PROGRAM: mainFile },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [exit]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { exit: exit as number, stdout, stderr };
}

function kubeconfig(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'one',
    contexts: [{ name: 'one', context: { cluster: 'one' } }],
    clusters: [{ name: 'one', cluster: { server } }],
  });
}

beforeAll(async () => {
  test = await makeRepository();
  const { repository, keys } = test;
  for (const id of [older, newer, later, damaged])
    await writeSet(repository, keys, { id, objects: [configMap('settings'), secret('token', 'hunter2')] });
  const shard = path(`backups/${damaged}/resources-0001.tar.zst.age`);
  const bytes = await readFile(shard);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(shard, bytes);
  silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  await mkdir(path('cache'));
  await writeFile(path('identity'), `${keys.identity}\n`);
  await writeFile(path('other-identity'), `${(await generateIdentity()).identity}\n`);
  await writeFile(path('recipients'), `${keys.recipient}\n`);
  await writeFile(path('other-recipients'), `${(await generateIdentity()).recipient}\n`);
  await writeFile(path('signing.key'), keys.privatePem);
  await writeFile(path('signing.pub'), keys.publicPem);
  await writeFile(path('broken.yaml'), 'location: x\n\nretries: 3\n');
  await writeFile(path('unreachable.kubeconfig'), kubeconfig('https://127.0.0.1:1'));
  await writeFile(path('silent.kubeconfig'), kubeconfig(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`));
});
afterAll(async () => {
  silent?.closeAllConnections();
  silent?.close();
  await test?.remove();
});

const keysOf = '--signing-key @signing.key --recipients-file @recipients';

describe('bad input ends with its exit code, what is wrong, and what to do', () => {
  it.each([
    // The command line.
    ['backup', 2, 'needs a command: create, get, describe', 'holdfast backup --help'],
    ['backup take', 2, "unknown command 'take'", 'holdfast backup --help'],
    ['backup get --locaton x', 2, "unknown option '--locaton'", 'did you mean --location?'],
    ['backup get -o xml', 2, "'xml' is invalid. Allowed choices are table, json, yaml, name", '--help'],
    ['completion bash -o yaml', 2, 'has no output format yaml', '--help'],
    ['backup describe', 2, "missing required argument 'backup'", '--help'],
    ['verify a b', 2, 'too many arguments', '--help'],
    // Settings.
    ['backup get', 2, 'no location is set', 'HOLDFAST_LOCATION'],
    ['backup get --config @broken.yaml', 2, 'broken.yaml:3: unknown setting retries', 'run again'],
    ['backup get --config @nowhere.yaml', 2, 'no such file', 'readable YAML file'],
    ['backup get --location @ --concurrency 0', 2, '--concurrency: must be at least 1', 'run again'],
    ['backup get --location ftp://x', 2, 'is no kind of location', 's3://bucket/prefix'],
    ['backup get --location s3://key:secret@bucket', 2, 'credentials do not belong in it', 'AWS_ACCESS_KEY_ID'],
    // The repository.
    ['backup get --location @nothing', 10, 'holds no repository: there is no such folder', 'mount what the folder lies on'],
    ['backup get --location @cache', 10, 'holds no repository: there is no holdfast.json', 'holdfast init'],
    ['backup get --location @recipients', 10, 'holds no repository: it is no folder', '--location'],
    [`init --location @recipients ${keysOf}`, 1, 'a file stands where the folder', 'another location'],
    ['init --location @ --signing-key @signing.key --recipients-file @recipients', 2, 'already holds a repository', 'another prefix'],
    ['init --location @new --signing-key @signing.key', 2, 'in the clear', 'keys generate'],
    ['init --location @new --recipients-file @recipients', 2, 'no signing key', '--signing-key'],
    // Which backup.
    ['backup describe 20200101T000000Z-daily-zzzz --location @', 10, 'holds no backup', 'backup get'],
    ['backup describe 2020-01-01 --location @', 10, 'holds no backup', 'backup get'],
    ['backup describe 2026-11 --location @', 2, 'whole month', 'full id'],
    ['backup describe 20261121 --location @', 2, `may be ${newer}, ${later}`, 'full id'],
    // Keys.
    [`backup create --location @ --signing-key @signing.key --kubeconfig @unreachable.kubeconfig`, 2, 'no recipient', 'keys generate'],
    ['backup create --location @ --recipients-file @recipients --kubeconfig @unreachable.kubeconfig', 2, 'no signing key', '--signing-key'],
    ['backup create --location @ --keys-dir @nokeys', 2, 'does not exist', 'keys generate'],
    [`backup create --location @ ${keysOf} --insecure-plaintext`, 2, 'recipients are set', '--insecure-plaintext'],
    ['backup create --location @ --signing-key @signing.key --insecure-plaintext', 2, 'are sealed', 'holdfast init'],
    ['restore plan 2026-11-21 --location @ --kubeconfig @unreachable.kubeconfig', 12, 'no identity was given', '--identity'],
    ['verify 2026-11-21 --location @ --identity @recipients', 2, 'a public recipient stands where', 'keys generate'],
    ['verify 2026-11-21 --location @ --identity @nowhere', 2, 'does not exist', 'keys generate'],
    ['backup describe 2026-11-21 --location @ --signing-public-key @signing.key', 2, 'a private key stands where', 'keys generate'],
    [
      'serve --location @ --signing-key @signing.key --recipients-file @other-recipients --kubeconfig @unreachable.kubeconfig',
      2,
      'the recipients given are not the repository’s',
      'pass the recipients',
    ],
    // The cluster.
    [`backup create --location @ ${keysOf}`, 2, 'no cluster is configured', '--kubeconfig'],
    [`backup create --location @ ${keysOf} --kubeconfig @nowhere`, 2, 'no such file', '--kubeconfig'],
    [`backup create --location @ ${keysOf} --kubeconfig @silent.kubeconfig --context two`, 2, 'no context two; it has one', '--context'],
    [`backup create --location @ ${keysOf} --kubeconfig @unreachable.kubeconfig`, 1, 'connection refused', 'API server runs'],
    [`backup create --location @ ${keysOf} --kubeconfig @silent.kubeconfig --timeout 1s`, 5, 'the limit set by --timeout', '--timeout'],
    // A restore.
    ['restore create latest --location @ --identity @identity', 2, 'nobody is here to confirm it', '--yes'],
    ['restore plan latest --location @ --identity @identity --map-namespace a', 2, 'not of the form from=to', '--help'],
    ['restore plan latest --location @ --identity @identity --map-namespace a=c,b=c', 2, 'puts both a and b into c', '--help'],
  ])('holdfast %s → %d', async (line, exit, message, hint) => {
    const ran = await run(line);
    expect(ran).toMatchObject({ exit, stdout: '' });
    const [error, advice] = ran.stderr.slice(ran.stderr.indexOf('error: ')).split('\n');
    expect(error).toContain(message);
    expect(advice).toMatch(/^hint: /);
    expect(advice).toContain(hint);
    expect(ran.stderr).not.toContain('    at ');
  });

  it('says that the working directory is gone', async () => {
    const ran = await shell('mkdir @gone && cd @gone && rmdir ../gone && exec "$NODE" "$PROGRAM" version');
    expect(ran).toMatchObject({
      exit: 2,
      stdout: '',
      stderr: expect.stringContaining('error: the working directory is not there any more'),
    });
    expect(ran.stderr).not.toContain('    at ');
  });

  it.runIf(process.platform === 'linux')('says that its output was lost, and ends with 1', async () => {
    const ran = await shell('exec "$NODE" "$PROGRAM" version > /dev/full');
    expect(ran).toMatchObject({ exit: 1, stderr: expect.stringMatching(/^error: the output was not written in full: .*ENOSPC/) });
  });

  it('takes a reader that goes away for one who has seen enough', async () => {
    const ran = await shell('{ "$NODE" "$PROGRAM" config schema; echo "exit $?" >&2; } | head -n 1');
    expect([ran.stdout, ran.stderr]).toEqual(['{\n', 'exit 0\n']);
  });

  it('does not repeat credentials of a location, even with --verbose', async () => {
    const ran = await run('backup get --location s3://key:hunter2@bucket -v');
    expect(ran.exit).toBe(2);
    expect(ran.stdout + ran.stderr).not.toContain('hunter2');
  });
});

describe('what was asked for', () => {
  it('is on stdout, and nothing else is', async () => {
    const ran = await run('backup get --location @ -o name');
    expect(ran).toEqual({ exit: 0, stdout: `${[damaged, later, newer, older].join('\n')}\n`, stderr: '' });
  });

  it('comes as JSON with stable names', async () => {
    const { backups } = JSON.parse((await run('backup get --location @ -o json')).stdout);
    expect(backups[3]).toMatchObject({ id: older, phase: 'Completed', tier: 'daily', objects: 2, problems: 0 });
  });

  it('is listed object by object, with an identity only where the index is sealed', async () => {
    const ran = await run('backup describe 2026-11-20 --location @ --objects -o name');
    expect(ran).toMatchObject({ exit: 0, stdout: 'agents/configmaps/settings\nagents/secrets/token\n' });
  });

  it('is refused when signed by another key than the one named', async () => {
    await run('keys generate --out @foreign');
    const ran = await run(`backup describe ${older} --location @ --signing-public-key @foreign/signing.pub -o json`);
    expect(ran.exit).toBe(4);
    expect(JSON.parse(ran.stdout)).toMatchObject({ message_type: 'exit_error', code: 'SIGNATURE_INVALID', exit: 4 });
  });
});

describe('verify', () => {
  it('ends with 0 for a whole set, and opens it with the right identity', async () => {
    const ran = await run('verify 2026-11-21 --location @ --identity @identity');
    expect(ran).toMatchObject({ exit: 0 });
    expect(ran.stdout).toContain('✓ verified');
  });

  it('ends with 4 when one bit of one of several sets is wrong, and names the file', async () => {
    const ran = await run('verify --location @');
    expect(ran.exit).toBe(4);
    expect(ran.stdout).toMatch(new RegExp(`${damaged} +✗ DAMAGED`));
    expect(ran.stdout).toContain(`backups/${damaged}/resources-0001.tar.zst.age`);
  });

  it('prints one JSON line a message, the summary last', async () => {
    const ran = await run('verify --location @ -o json');
    const messages = ran.stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(messages.some(message => message.message_type === 'error' && message.id === damaged)).toBe(true);
    expect(messages.at(-1)).toMatchObject({ message_type: 'summary', ok: false });
  });

  it('ends with 12 when the identity opens nothing', async () => {
    expect((await run('verify 2026-11-20 --location @ --identity @other-identity')).exit).toBe(12);
  });
});

describe('keys generate', () => {
  it('keeps private files private and never overwrites', async () => {
    expect((await run('keys generate --out @keys -o json')).exit).toBe(0);
    const before = await readFile(path('keys/operator.identity'), 'utf8');
    for (const name of ['operator.identity', 'break-glass.identity', 'signing.key'])
      expect((await stat(path(`keys/${name}`))).mode & 0o777).toBe(0o600);
    const again = await run('keys generate --out @keys');
    expect(again).toMatchObject({ exit: 2, stdout: '' });
    expect(await readFile(path('keys/operator.identity'), 'utf8')).toBe(before);
  });

  it('prints no secret', async () => {
    const ran = await run('keys generate --out @more -o json');
    expect(ran.stdout + ran.stderr).not.toMatch(/AGE-SECRET-KEY|PRIVATE KEY/);
  });

  it('makes a folder that init takes as it is', async () => {
    await run('keys generate --out @folder');
    const ran = await run('init --location @fresh --keys-dir @folder -o json');
    expect(ran.exit).toBe(0);
    expect(JSON.parse(ran.stdout).recipientFingerprints).toHaveLength(2);
  });
});

describe('the process', () => {
  const start = (line: string): ChildProcess =>
    spawn(process.execPath, [mainFile, ...line.split(' ').map(word => word.replace(/^@/, `${test.dir}/`))], {
      env: { PATH: process.env['PATH'], HOME: test.dir, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: AbortSignal.timeout(60_000),
    });
  const ended = async (child: ChildProcess): Promise<number | null> =>
    child.exitCode !== null ? child.exitCode : ((await once(child, 'close'))[0] as number | null);

  it.each(['SIGINT', 'SIGTERM'] as const)('stops cleanly at %s, says what is kept, and exits with 130', async signal => {
    const asked = once(silent, 'request');
    const child = start(`backup create --location @ ${keysOf} --kubeconfig @silent.kubeconfig`);
    let stderr = '';
    child.stderr?.on('data', (text: Buffer) => {
      stderr += text.toString();
    });
    await asked;
    child.kill(signal);
    expect(await ended(child)).toBe(130);
    expect(stderr).toContain('Nothing of this backup stays visible');
    expect(stderr).toContain(`interrupted by ${signal}`);
    const names = (await run('backup get --location @ -o name')).stdout.trim().split('\n');
    expect(names).toHaveLength(4);
  });

  it('says nothing when its reader goes away', async () => {
    const child = start('backup describe 2026-11-20 --location @ --objects -o json');
    child.stdout?.destroy();
    let stderr = '';
    child.stderr?.on('data', (text: Buffer) => {
      stderr += text.toString();
    });
    expect(await ended(child)).toBe(0);
    expect(stderr).toBe('');
  });

  it('prints colours only where they are wanted', async () => {
    const plain = await holdfast(['backup', 'get', '--location', test.dir], { env: { HOME: test.dir } });
    expect(plain.stdout).not.toContain('\x1b[');
    const forced = { HOME: test.dir, NO_COLOR: '', FORCE_COLOR: '1' };
    expect((await holdfast(['backup', 'get', '--location', test.dir], { env: forced })).stdout).toContain('\x1b[');
    expect((await holdfast(['backup', 'get', '--location', test.dir, '--no-color'], { env: forced })).stdout).not.toContain('\x1b[');
  });
});

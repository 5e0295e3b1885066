import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createS3Store } from '../../src/storage/s3-store.ts';
import { apiJson } from '../cluster/api-request.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { type S3Server, startMinio } from '../cluster/s3.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import { limitedAccount } from '../contract/object-store-account.ts';
import { keysOf } from '../contract/object-store-helpers.ts';
import { holdfast, type Ran } from '../helpers/command.ts';

const execute = promisify(execFile);

let cluster: TestCluster;
let work: string;

beforeAll(async () => {
  cluster = await startCluster({ name: 'cli-location-faults', unsafeNoFsync: true });
  work = await tempDir('location');
  expect(await holdfast(['keys', 'generate', '--out', join(work, 'keys')])).toMatchObject({ exit: 0 });
  // What does not compress: a backup is larger than the smallest disk below.
  const data = { random: randomBytes(600_000).toString('base64') };
  await apiJson(cluster, '/api/v1/namespaces/default/configmaps', { method: 'POST', body: { metadata: { name: 'large' }, data } });
});
afterAll(() => cluster?.destroy());

const init = (flags: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  holdfast(['init', ...flags, '--keys-dir', join(work, 'keys')], { env: { HOME: work, ...env } });
const backUp = (flags: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  holdfast(['backup', 'create', ...flags, '--keys-dir', join(work, 'keys'), '--kubeconfig', cluster.kubeconfig], {
    env: { HOME: work, ...env },
  });
const listed = async (flags: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> => {
  const ran = await holdfast(['backup', 'get', '-o', 'name', ...flags], { env: { HOME: work, ...env } });
  expect(ran.exit, ran.stderr).toBe(0);
  return ran.stdout;
};

/** It ends so, with the sentence and the next step on stderr, and no result. */
function expectFailure(ran: Ran, exit: number, message: RegExp, hint: RegExp): void {
  expect(ran, ran.stderr).toMatchObject({ exit, stdout: '' });
  const [error = '', advice = ''] = ran.stderr.slice(ran.stderr.indexOf('error: ')).split('\n');
  expect(error).toMatch(message);
  expect(advice).toMatch(hint);
}

describe('a bucket', () => {
  let server: S3Server;
  let owner: NodeJS.ProcessEnv;
  let reader: NodeJS.ProcessEnv;
  let wrong: NodeJS.ProcessEnv;

  const flags = (bucket: string): string[] => [
    ...['--location', `s3://${bucket}/platform`, '--s3-endpoint', server.endpoint, '--s3-path-style'],
  ];
  const keys = async (bucket: string): Promise<string[]> => {
    const credentials = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
    const store = createS3Store({ endpoint: server.endpoint, credentials, bucket, prefix: '', forcePathStyle: true });
    try {
      return await keysOf(store);
    } finally {
      await store.close();
    }
  };

  beforeAll(async () => {
    server = await startMinio();
    for (const bucket of ['empty', 'backups']) await server.createBucket(bucket, { versioning: true });
    owner = { AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey, AWS_REGION: 'us-east-1' };
    const account = await limitedAccount(server, ['s3:GetObject', 's3:ListBucket']);
    reader = {
      AWS_ACCESS_KEY_ID: account.accessKeyId,
      AWS_SECRET_ACCESS_KEY: account.secretAccessKey,
      AWS_SESSION_TOKEN: account.sessionToken,
      AWS_REGION: 'us-east-1',
    };
    wrong = { ...owner, AWS_SECRET_ACCESS_KEY: 'not-the-secret-at-all' };
    expect(await init(flags('backups'), owner)).toMatchObject({ exit: 0 });
  });
  afterAll(() => server?.stop());

  it('that is missing ends init and a backup with 10', async () => {
    for (const ran of [await init(flags('nowhere'), owner), await backUp(flags('nowhere'), owner)]) {
      expectFailure(ran, 10, /nowhere/, /create the bucket, or correct the location/);
    }
  });

  it('that the credentials do not open ends init and a backup with 1, and shows none of them', async () => {
    for (const ran of [await init(flags('empty'), wrong), await backUp(flags('backups'), wrong)]) {
      expectFailure(ran, 1, /signature .* does not match/, /check the credentials of the location/);
      expect(ran.stderr).not.toContain('not-the-secret-at-all');
    }
    expect(await keys('empty')).toEqual([]);
  });

  it('that may only be read ends init with 1, and nothing is there afterwards', async () => {
    expectFailure(await init(flags('empty'), reader), 1, /Access Denied/, /right to list, read and write/);
    expect(await keys('empty')).toEqual([]);
  });

  it('that may only be read ends a backup with 1: no set is visible, and what was there is untouched', async () => {
    const made = await backUp([...flags('backups'), '-o', 'name'], owner);
    expect(made.exit, made.stderr).toBe(0);
    const before = await keys('backups');
    expectFailure(await backUp(flags('backups'), reader), 1, /nothing was committed.*Access Denied/, /right to list, read and write/);
    expect(await keys('backups')).toEqual(before);
    expect(await listed(flags('backups'), owner)).toBe(made.stdout);
  });
});

describe.skipIf(process.getuid?.() !== 0)('a disk that is full', () => {
  /** A file system of this size, in KiB, for as long as the work takes. */
  async function onDisk(kib: number, then: (dir: string) => Promise<void>): Promise<void> {
    const dir = await tempDir('disk');
    await execute('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', dir]);
    try {
      await then(dir);
    } finally {
      await execute('umount', ['-l', dir]);
    }
  }

  it('ends init with 1, and no repository is there afterwards', async () => {
    await onDisk(64, async dir => {
      await mkdir(join(dir, 'repository'));
      await writeFile(join(dir, 'other'), Buffer.alloc(64 * 1024)).catch(() => {});
      const flags = ['--location', join(dir, 'repository')];
      expectFailure(await init(flags), 1, /no space left|is full/i, /free space at the location/);
      expect(await readdir(join(dir, 'repository'))).not.toContain('holdfast.json');
      await rm(join(dir, 'other'));
      expect((await init(flags)).exit).toBe(0);
    });
  });

  it('ends a backup with 1: no set is visible; once there is room the same command makes one', async () => {
    await onDisk(512, async dir => {
      const flags = ['--location', dir];
      expect(await init(flags)).toMatchObject({ exit: 0 });
      expectFailure(await backUp(flags), 1, /nothing was committed.*(no space left|is full)/i, /free space at the location/);
      expect(await listed(flags)).toBe('');
      await execute('mount', ['-o', 'remount,size=64m', dir]);
      const ran = await backUp([...flags, '-o', 'name']);
      expect(ran.exit, ran.stderr).toBe(0);
      expect(await listed(flags)).toBe(ran.stdout);
    });
  });
});

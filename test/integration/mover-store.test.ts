import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeleteObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { moverSecrets } from '../../src/domain/mover.ts';
import { type S3Server, s3Client, startMinio } from '../cluster/s3.ts';
import { type MishapProxy, startMishapProxy } from '../contract/object-store-proxy.ts';
import { backupRequest, snapshotOf, type TestMover, testMover } from '../helpers/mover.ts';
import { processesOf, type SeenProcess, startMoverProcess } from '../helpers/mover-process.ts';
import { describeTree } from '../helpers/tree-digest.ts';

const bucket = 'volumes';
let server: S3Server;
let proxy: MishapProxy;
let mover: TestMover;
let volume: string;
let target: string;
let prefix: string;

beforeAll(async () => {
  server = await startMinio();
  await server.createBucket(bucket);
  proxy = await startMishapProxy(server.endpoint);
});
afterAll(async () => {
  await proxy?.close();
  await server?.stop();
});

/** For tests that follow each other. */
function eachWithMover(): void {
  beforeEach(async () => {
    prefix = `test-${randomBytes(4).toString('hex')}/volumes/agents/workspace`;
    proxy.onRequest(() => undefined);
    const keys = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
    mover = await testMover({ repository: `s3:${proxy.endpoint}/${bucket}/${prefix}`, ...keys });
    volume = join(mover.dir, 'source', 'data');
    target = join(mover.dir, 'target', 'data');
    for (const folder of [volume, target]) await mkdir(folder, { recursive: true });
    for (let i = 0; i < 30; i += 1) await writeFile(join(volume, `file-${i}`), randomBytes(400_000));
  });
  afterEach(() => mover.remove());
}

describe('a repository in a bucket', () => {
  eachWithMover();

  it('is made by the first backup, and gives every byte back', async () => {
    const backed = await mover.backup(volume);
    expect(backed).toMatchObject({ ok: true, files: 30, bytes: 12_000_000 });
    expect(backed.ok && backed.addedBytes).toBeGreaterThan(12_000_000);
    const again = await mover.backup(volume, { time: '2026-11-24T02:00:00.000Z' });
    expect(again.ok && again.addedBytes).toBeLessThan(10_000);
    expect(await mover.restore(target, snapshotOf(again))).toMatchObject({ ok: true });
    expect(await describeTree(target)).toEqual(await describeTree(volume));
  });

  it('that was begun and never finished is finished, and one that lost its configuration is left as it is', async () => {
    await mover.backup(volume);
    const client = s3Client(server);
    try {
      const remove = (Key: string) => client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
      const keysBelow = async (folder: string) => {
        const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: `${prefix}/${folder}` }));
        return Contents.map(({ Key = '' }) => Key);
      };
      await remove(`${prefix}/config`);
      expect(await mover.backup(volume)).toMatchObject({ ok: false, code: 'repository-damaged' });
      expect(await keysBelow('keys/')).toHaveLength(1);
      for (const folder of ['data/', 'index/', 'snapshots/']) for (const key of await keysBelow(folder)) await remove(key);
      expect(await mover.backup(volume)).toMatchObject({ ok: true });
    } finally {
      client.destroy();
    }
  });
});

describe('secrets', () => {
  eachWithMover();

  it('are in no argument, no output, no result and no temporary file, and in no environment but that of restic and its reader', async () => {
    const secrets = [mover.password, server.secretKey];
    const seen = new Map<number, SeenProcess>();
    const request = backupRequest(mover.common(), join(volume, 'file-1'), { mode: 'Block' });
    for (const changes of [{}, { repository: `${mover.repository}-other/${server.secretKey}` }]) {
      const started = startMoverProcess(mover, { ...request, ...changes });
      let running = true;
      const ended = started.exited.finally(() => {
        running = false;
      });
      while (running) for (const [pid, process] of await processesOf(started.pid)) seen.set(pid, process);
      await ended;
      const said = started.output() + (await readFile(mover.resultFile, 'utf8'));
      // The second one names it itself, in its request; even so it is not said again.
      for (const secret of secrets) expect(said).not.toContain(secret);
      if (Object.keys(changes).length === 0) {
        for (const process of seen.values()) for (const secret of secrets) expect(process.arguments).not.toContain(secret);
      }
    }
    const own = [...seen].filter(([, process]) => process.arguments.includes('main.ts'));
    const restic = [...seen].filter(([, process]) => process.arguments.startsWith(mover.restic));
    expect(own.length).toBeGreaterThan(0);
    expect(restic.length).toBeGreaterThan(0);
    for (const [, process] of own) for (const secret of secrets) expect(process.environment).not.toContain(secret);
    expect(restic.some(([, process]) => process.environment.includes(server.secretKey))).toBe(true);
    for (const file of await readdir(mover.temporaryDir, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const content = await readFile(join(file.parentPath, file.name), 'latin1');
      for (const secret of secrets) expect(content).not.toContain(secret);
    }
  });
});

describe('a store behind a bad line', () => {
  eachWithMover();

  it('that is away for a while in the middle is waited for', async () => {
    let left = 12;
    let puts = 0;
    proxy.onRequest(({ method, url }) => {
      if (method === 'PUT' && url?.includes('/data/')) puts += 1;
      if (puts < 2 || left === 0) return undefined;
      left -= 1;
      return { kind: 'refuse' };
    });
    const backed = await mover.backup(volume);
    expect(backed).toMatchObject({ ok: true });
    expect(left).toBe(0);
    // In a row, of one request: restic waits 1 s, 2 s, 4 s before it asks again.
    left = 3;
    expect(await mover.restore(target, snapshotOf(backed))).toMatchObject({ ok: true });
    expect(left).toBe(0);
    expect(await describeTree(target)).toEqual(await describeTree(volume));
  });

  it('that loses answers and turns bits on their way leaves a backup that is right', async () => {
    let requests = 0;
    proxy.onRequest(({ method, url }) => {
      if (!url?.includes('/data/')) return undefined;
      requests += 1;
      if (requests % 4 !== 1) return undefined;
      return method === 'PUT' ? { kind: 'lose-answer' } : { kind: 'cut-answer', bytes: 1_000 };
    });
    const backed = await mover.backup(volume);
    expect(await mover.restore(target, snapshotOf(backed))).toMatchObject({ ok: true });
    expect(await describeTree(target)).toEqual(await describeTree(volume));
  });
});

/** Each of them waits for nothing but a bound of time, and so all wait at once. */
describe.concurrent('a store', () => {
  const keys = () => ({ accessKeyId: server.accessKey, secretAccessKey: server.secretKey });
  /** A mover of its own, and 12 MB to back up. */
  const withMover = async (endpoint: string, work: (own: TestMover, data: string) => Promise<void>) => {
    const repository = `s3:${endpoint}/${bucket}/test-${randomBytes(4).toString('hex')}/volumes/agents/workspace`;
    const own = await testMover({ repository, ...keys() });
    try {
      const data = join(own.dir, 'source', 'data');
      await mkdir(data, { recursive: true });
      for (let i = 0; i < 30; i += 1) await writeFile(join(data, `file-${i}`), randomBytes(400_000));
      await work(own, data);
    } finally {
      await own.remove();
    }
  };
  const withProxy = async (decide: Parameters<MishapProxy['onRequest']>[0], work: (own: TestMover, data: string) => Promise<void>) => {
    const own = await startMishapProxy(server.endpoint);
    own.onRequest(decide);
    try {
      await withMover(own.endpoint, work);
    } finally {
      await own.close();
    }
  };

  it('that never answers is unreachable, after the time that was given', () =>
    withProxy(
      () => ({ kind: 'refuse' }),
      async (own, data) => {
        const result = await own.run(backupRequest(own.common(), data), { storePatienceMs: 3_000 });
        expect(result).toMatchObject({ ok: false, code: 'store-unreachable' });
      },
    ));

  it.each([
    ['a wrong secret key', moverSecrets.secretAccessKey, randomBytes(20).toString('hex')],
    ['an unknown access key', moverSecrets.accessKeyId, 'nobody'],
  ])('that refuses %s forbids it, and is not asked for a quarter of an hour', (_, file, content) =>
    withMover(server.endpoint, async (own, data) => {
      await writeFile(join(own.secretsDir, file), content);
      const result = await own.backup(data);
      expect(result).toMatchObject({ ok: false, code: 'store-forbidden' });
      expect(result.durationMs).toBeLessThan(120_000);
    }),
  );

  it('that takes no more of a token which expired in the middle forbids it', () => {
    let puts = 0;
    const decide: Parameters<MishapProxy['onRequest']>[0] = ({ method, url }) => {
      if (method === 'PUT' && url?.includes('/data/')) puts += 1;
      if (puts < 2) return undefined;
      const body = '<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>';
      return { kind: 'answer', status: 403, body };
    };
    return withProxy(decide, async (own, data) => {
      const result = await own.backup(data);
      expect(result).toMatchObject({ ok: false, code: 'store-forbidden' });
      expect(result.durationMs).toBeLessThan(120_000);
    });
  });

  it('without the bucket is as good as away', () =>
    withMover(server.endpoint, async (own, data) => {
      const result = await own.backup(data, { repository: `s3:${server.endpoint}/no-such-bucket/volumes/a/b` });
      expect(result).toMatchObject({ ok: false });
      const client = s3Client(server);
      try {
        await expect(client.send(new ListObjectsV2Command({ Bucket: 'no-such-bucket' }))).rejects.toThrow();
      } finally {
        client.destroy();
      }
    }));
});

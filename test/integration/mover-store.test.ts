import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeleteObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { moverSecrets } from '../../src/domain/mover.ts';
import { type S3Server, s3Client, startMinio } from '../cluster/s3.ts';
import { type MishapProxy, startMishapProxy } from '../contract/object-store-proxy.ts';
import { mainFile } from '../helpers/command.ts';
import { backupRequest, snapshotOf, type TestMover, testMover } from '../helpers/mover.ts';
import { processesOf, type SeenProcess, startMoverProcess } from '../helpers/mover-process.ts';
import { describeTree } from '../helpers/tree-digest.ts';

const bucket = 'volumes';
let server: S3Server;

beforeAll(async () => {
  server = await startMinio();
  await server.createBucket(bucket);
});
afterAll(() => server?.stop());

/** What a test has for itself. */
interface Own {
  readonly mover: TestMover;
  /** Of its repository, in the bucket. */
  readonly prefix: string;
  /** 12 MB to back up. */
  readonly volume: string;
  /** An empty folder. */
  readonly target: string;
}

async function withMover(endpoint: string, work: (own: Own) => Promise<void>): Promise<void> {
  const prefix = `test-${randomBytes(4).toString('hex')}/volumes/agents/workspace`;
  const keys = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
  const mover = await testMover({ store: { repository: `s3:${endpoint}/${bucket}/${prefix}`, ...keys } });
  try {
    const volume = join(mover.dir, 'source', 'data');
    const target = join(mover.dir, 'target', 'data');
    for (const folder of [volume, target]) await mkdir(folder, { recursive: true });
    for (let i = 0; i < 30; i += 1) await writeFile(join(volume, `file-${i}`), randomBytes(400_000));
    await work({ mover, prefix, volume, target });
  } finally {
    await mover.remove();
  }
}

async function withProxy(decide: Parameters<MishapProxy['onRequest']>[0], work: (own: Own) => Promise<void>): Promise<void> {
  const proxy = await startMishapProxy(server.endpoint);
  proxy.onRequest(decide);
  try {
    await withMover(proxy.endpoint, work);
  } finally {
    await proxy.close();
  }
}

/** These wait for the store and for restic's own pauses most of the time. */
describe.concurrent('a repository in a bucket', () => {
  it('is made by the first backup, and gives every byte back', () =>
    withMover(server.endpoint, async ({ mover, volume, target }) => {
      const backed = await mover.backup(volume);
      expect(backed).toMatchObject({ ok: true, files: 30, bytes: 12_000_000 });
      expect(backed.ok && backed.addedBytes).toBeGreaterThan(12_000_000);
      const again = await mover.backup(volume, { time: '2026-11-24T02:00:00.000Z' });
      expect(again.ok && again.addedBytes).toBeLessThan(10_000);
      expect(await mover.restore(target, snapshotOf(again))).toMatchObject({ ok: true });
      expect(await describeTree(target)).toEqual(await describeTree(volume));
    }));

  it('that was begun and never finished is finished, and one that lost its configuration is left as it is', () =>
    withMover(server.endpoint, async ({ mover, prefix, volume }) => {
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
    }));
});

describe.concurrent('a store behind a bad line', () => {
  it('that is away for a while in the middle is waited for', () => {
    let left = 12;
    let puts = 0;
    const decide: Parameters<MishapProxy['onRequest']>[0] = ({ method, url }) => {
      if (method === 'PUT' && url?.includes('/data/')) puts += 1;
      if (puts < 2 || left === 0) return undefined;
      left -= 1;
      return { kind: 'refuse' };
    };
    return withProxy(decide, async ({ mover, volume, target }) => {
      const backed = await mover.backup(volume);
      expect(backed).toMatchObject({ ok: true });
      expect(left).toBe(0);
      // In a row, of one request: restic waits 1 s, 2 s, 4 s before it asks again.
      left = 3;
      expect(await mover.restore(target, snapshotOf(backed))).toMatchObject({ ok: true });
      expect(left).toBe(0);
      expect(await describeTree(target)).toEqual(await describeTree(volume));
    });
  });

  it('that loses answers and turns bits on their way leaves a backup that is right', () => {
    let requests = 0;
    const decide: Parameters<MishapProxy['onRequest']>[0] = ({ method, url }) => {
      if (!url?.includes('/data/')) return undefined;
      requests += 1;
      if (requests % 4 !== 1) return undefined;
      return method === 'PUT' ? { kind: 'lose-answer' } : { kind: 'cut-answer', bytes: 1_000 };
    };
    return withProxy(decide, async ({ mover, volume, target }) => {
      const backed = await mover.backup(volume);
      expect(await mover.restore(target, snapshotOf(backed))).toMatchObject({ ok: true });
      expect(await describeTree(target)).toEqual(await describeTree(volume));
    });
  });
});

describe.concurrent('a store', () => {
  it('that never answers is unreachable, after the time that was given', () =>
    withProxy(
      () => ({ kind: 'refuse' }),
      async ({ mover, volume }) => {
        const result = await mover.run(backupRequest(mover.common(), volume), { storePatienceMs: 3_000 });
        expect(result).toMatchObject({ ok: false, code: 'store-unreachable' });
      },
    ));

  it.each([
    ['a wrong secret key', moverSecrets.secretAccessKey, randomBytes(20).toString('hex')],
    ['an unknown access key', moverSecrets.accessKeyId, 'nobody'],
  ])('that refuses %s forbids it, and is not asked for a quarter of an hour', (_, file, content) =>
    withMover(server.endpoint, async ({ mover, volume }) => {
      await writeFile(join(mover.secretsDir, file), content);
      const result = await mover.backup(volume);
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
    return withProxy(decide, async ({ mover, volume }) => {
      const result = await mover.backup(volume);
      expect(result).toMatchObject({ ok: false, code: 'store-forbidden' });
      expect(result.durationMs).toBeLessThan(120_000);
    });
  });

  it('without the bucket is as good as away', () =>
    withMover(server.endpoint, async ({ mover, volume }) => {
      const result = await mover.backup(volume, { repository: `s3:${server.endpoint}/no-such-bucket/volumes/a/b` });
      expect(result).toMatchObject({ ok: false });
      const client = s3Client(server);
      try {
        await expect(client.send(new ListObjectsV2Command({ Bucket: 'no-such-bucket' }))).rejects.toThrow();
      } finally {
        client.destroy();
      }
    }));
});

/** By itself: it looks at its processes without a pause. */
describe('secrets', () => {
  it('are in no argument, no output, no result and no temporary file, and in no environment but that of restic and its reader', () =>
    withMover(server.endpoint, async ({ mover, volume }) => {
      const secrets = [mover.password, server.secretKey];
      const seen = new Map<number, SeenProcess>();
      const request = backupRequest(mover.common(), join(volume, 'file-1'), { mode: 'Block' });
      for (const changes of [{}, { repository: `${mover.repository}-other/${server.secretKey}` }]) {
        const started = startMoverProcess(mover, { ...request, ...changes });
        let running = true;
        const ended = started.exited.finally(() => {
          running = false;
        });
        // One that has just ended shows neither.
        while (running)
          for (const [pid, process] of await processesOf(started.pid)) if (process.arguments && process.environment) seen.set(pid, process);
        await ended;
        const said = started.output() + (await readFile(mover.resultFile, 'utf8'));
        // The second one names it itself, in its request; even so it is not said again.
        for (const secret of secrets) expect(said).not.toContain(secret);
        if (Object.keys(changes).length === 0) {
          for (const process of seen.values()) for (const secret of secrets) expect(process.arguments).not.toContain(secret);
        }
      }
      const own = [...seen].filter(([, process]) => process.arguments.includes(mainFile));
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
    }));
});

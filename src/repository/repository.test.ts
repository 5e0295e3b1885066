import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  configMap,
  initOn,
  makeRepository,
  newKeys,
  runtime,
  type TestRepository,
  writeSet,
} from '../../test/contract/repository-fixture.ts';
import { recipientFingerprint } from '../crypto/age.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { signingKeyId } from '../crypto/signing.ts';
import { createFileStore } from '../storage/file-store.ts';
import { initRepository, openRepository } from './repository.ts';

const opened: TestRepository[] = [];

afterEach(async () => {
  for (const location of opened.splice(0)) await location.remove();
});

async function location(): Promise<TestRepository> {
  const made = await makeRepository();
  opened.push(made);
  return made;
}

describe('a repository', () => {
  it('is described by holdfast.json, which names its keys and holds no secret', async () => {
    const { repository, keys, dir } = await location();
    const found = await openRepository(repository.store);
    expect(found.info).toEqual(repository.info);
    expect(found.info).toMatchObject({
      formatVersion: 1,
      createdAt: '2026-11-23T02:00:00.000Z',
      recipientFingerprints: [recipientFingerprint(keys.recipient)],
      signingKeyIds: [signingKeyId(keys.publicPem)],
    });
    const text = await readFile(join(dir, 'holdfast.json'), 'utf8');
    expect(text).not.toContain(keys.identity);
    expect(text).not.toContain('PRIVATE');
  });

  it('is made once: a second init changes nothing', async () => {
    const { repository, dir } = await location();
    const before = await readFile(join(dir, 'holdfast.json'));
    await expect(initOn(repository.store, await newKeys(), false)).rejects.toMatchObject({ code: 'REPO_EXISTS' });
    expect(await readFile(join(dir, 'holdfast.json'))).toEqual(before);
  });

  it('is not made, and not missed, where only holdfast.json of one is gone: another one would make its sets unreadable', async () => {
    const { repository, dir, keys } = await location();
    await writeSet(repository, keys, { id: '20261120T020000Z-daily-aaaa', objects: [configMap('settings')] });
    await rm(join(dir, 'holdfast.json'));
    const hint = expect.stringContaining('bring holdfast.json back');
    await expect(openRepository(repository.store)).rejects.toMatchObject({ code: 'BACKUP_CORRUPT', hint });
    await expect(initOn(repository.store, keys, false)).rejects.toMatchObject({ code: 'REPO_EXISTS', hint });
    expect(await readdir(dir)).not.toContain('holdfast.json');
  });

  it('needs a recipient, unless plaintext is asked for', async () => {
    const { dir, keys } = await location();
    const store = createFileStore(join(dir, 'other'));
    const options = { recipients: [], signingPublicKey: keys.publicPem, runtime };
    await expect(initRepository(store, options)).rejects.toMatchObject({ code: 'RECIPIENT_MISSING' });
    await expect(openRepository(store)).rejects.toMatchObject({ code: 'REPO_NOT_FOUND' });
    const { info } = await initRepository(store, { ...options, insecurePlaintext: true });
    expect(info.recipientFingerprints).toEqual([]);
  });

  it('takes no private key for a public one', async () => {
    const { dir, keys } = await location();
    const options = { recipients: [keys.recipient], signingPublicKey: keys.privatePem, runtime };
    await expect(initRepository(createFileStore(join(dir, 'other')), options)).rejects.toMatchObject({ code: 'KEY_INVALID' });
  });

  it('of a later format is refused, and an altered one is corrupt', async () => {
    const { repository, dir } = await location();
    const path = join(dir, 'holdfast.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('2026', '2025'));
    await expect(openRepository(repository.store)).rejects.toMatchObject({ code: 'BACKUP_CORRUPT' });
    const later = '{"formatVersion":2,"shape":"unknown"}';
    await writeFile(path, `${later}\n${JSON.stringify({ sha256: sha256Hex(later) })}\n`);
    await expect(openRepository(repository.store)).rejects.toMatchObject({ code: 'REPO_UNSUPPORTED' });
  });
});

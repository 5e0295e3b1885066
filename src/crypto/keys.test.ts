import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { generateIdentity } from './age.ts';
import { readIdentityFile, readPublicKeyFile, readRecipientFile, readSigningKeyFile, writeNewKeyFile } from './keys.ts';
import { generateSigningKey } from './signing.ts';

let dir: string;
beforeEach(async () => {
  dir = await tempDir('keys');
});

const keyInvalid = (message: RegExp) => expect.objectContaining({ code: 'KEY_INVALID', message: expect.stringMatching(message) });

describe('writing key files', () => {
  it('keeps private keys to their owner', async () => {
    await writeNewKeyFile(join(dir, 'a'), 'x', 'private');
    await writeNewKeyFile(join(dir, 'b'), 'x', 'public');
    expect((await stat(join(dir, 'a'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, 'b'))).mode & 0o700).toBe(0o600);
  });

  it('never overwrites', async () => {
    await writeNewKeyFile(join(dir, 'a'), 'first', 'private');
    await expect(writeNewKeyFile(join(dir, 'a'), 'second', 'private')).rejects.toEqual(keyInvalid(/a: exists already/));
    expect(await readFile(join(dir, 'a'), 'utf8')).toBe('first');
  });

  it('says so when the directory is missing', async () => {
    await expect(writeNewKeyFile(join(dir, 'none/a'), 'x', 'private')).rejects.toEqual(keyInvalid(/cannot be created \(ENOENT\)/));
  });
});

describe('reading key files', () => {
  it('reads back what was written, without a warning', async () => {
    const { identity, recipient } = await generateIdentity();
    const signing = generateSigningKey();
    await writeNewKeyFile(join(dir, 'id'), `# comment\n${identity}\n`, 'private');
    await writeNewKeyFile(join(dir, 'rec'), `${recipient}\n`, 'public');
    await writeNewKeyFile(join(dir, 'sign'), signing.privatePem, 'private');
    await writeNewKeyFile(join(dir, 'sign.pub'), signing.publicPem, 'public');
    expect(await readIdentityFile(join(dir, 'id'))).toEqual({ value: [identity], warnings: [] });
    expect(await readRecipientFile(join(dir, 'rec'))).toEqual([recipient]);
    expect(await readSigningKeyFile(join(dir, 'sign'))).toEqual({ value: signing.privatePem, warnings: [] });
    expect(await readPublicKeyFile(join(dir, 'sign.pub'))).toEqual([signing.publicPem]);
  });

  it('warns of a private key that everybody can read', async () => {
    const { identity } = await generateIdentity();
    await writeFile(join(dir, 'id'), identity, { mode: 0o644 });
    const { warnings } = await readIdentityFile(join(dir, 'id'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(join(dir, 'id'));
    expect(warnings[0]).not.toContain(identity.slice(20));
  });

  it('names the file and what is wrong with it', async () => {
    await writeFile(join(dir, 'large'), Buffer.alloc(1024 * 1024 + 1, 'a'));
    await writeFile(join(dir, 'text'), 'hello');
    await expect(readIdentityFile(join(dir, 'none'))).rejects.toEqual(keyInvalid(/key file .*none: does not exist/));
    await expect(readIdentityFile(dir)).rejects.toEqual(keyInvalid(/is a directory/));
    await expect(readIdentityFile(join(dir, 'large'))).rejects.toEqual(keyInvalid(/too large/));
    await expect(readIdentityFile(join(dir, 'text'))).rejects.toEqual(keyInvalid(/text, line 1: not a valid age identity/));
    await expect(readSigningKeyFile(join(dir, 'text'))).rejects.toEqual(keyInvalid(/text: not a valid private signing key/));
    await expect(readPublicKeyFile(join(dir, 'text'))).rejects.toEqual(keyInvalid(/text: not a valid public signing key/));
  });
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configMap, makeRepository, newKeys, type TestRepository, writeSet } from '../../test/contract/repository-fixture.ts';
import { signingKeyId } from '../crypto/signing.ts';
import { keyChange } from './key-change.ts';
import { manifestKey } from './layout.ts';

const night = '20261118T020000Z';
const at = (ms: number) => `2026-11-18T02:00:00.${String(ms).padStart(3, '0')}Z`;

describe('a change of keys', () => {
  let location: TestRepository;
  let fresh: Awaited<ReturnType<typeof newKeys>>;
  beforeEach(async () => {
    location = await makeRepository();
    fresh = await newKeys();
  });
  afterEach(() => location.remove());

  const write = async (id: string, ms: number, keys = location.keys) => {
    const { manifest } = await writeSet(location.repository, keys, { id, startedAt: at(ms), objects: [configMap('a')] });
    return { manifest, signedBy: signingKeyId(keys.publicPem) };
  };
  const changeAt = ({ manifest, signedBy }: Awaited<ReturnType<typeof write>>, sets: readonly string[]) =>
    keyChange(location.repository, { manifest, signedBy, sets, trusted: [fresh.publicPem] });

  it('is measured by the set that began before, though another of its second has an id between them', async () => {
    const first = await write(`${night}-daily-mmmm`, 100);
    const second = await write(`${night}-daily-zzzz`, 200, fresh);
    const third = await write(`${night}-daily-aaaa`, 300, fresh);
    const all = [first, second, third].map(({ manifest }) => manifest.id);
    expect(await changeAt(first, all)).toBeUndefined();
    expect(await changeAt(second, all)).toMatchObject({
      action: 'key.changed',
      subject: second.signedBy,
      details: { since: second.manifest.id, before: { set: first.manifest.id, signedBy: [first.signedBy] } },
    });
    expect(await changeAt(third, all)).toBeUndefined();
  });

  it('is measured by the keys of the repository where no set was before', async () => {
    const first = await write(`${night}-daily-mmmm`, 100, fresh);
    const later = await write('20261119T020000Z-daily-aaaa', 0);
    const change = await changeAt(
      first,
      [first, later].map(({ manifest }) => manifest.id),
    );
    expect(change?.details).toEqual({ since: first.manifest.id, before: { signedBy: [signingKeyId(location.keys.publicPem)] } });
  });

  it('is told where nobody can check the set before', async () => {
    const damaged = await write('20261117T020000Z-daily-mmmm', 0);
    await writeFile(join(location.dir, manifestKey(damaged.manifest.id)), '{}\n');
    const next = await write(`${night}-daily-aaaa`, 100);
    const change = await changeAt(next, [damaged.manifest.id, next.manifest.id]);
    expect(change?.details).toMatchObject({
      before: { set: damaged.manifest.id, unknown: expect.stringContaining('not two lines of JSON') },
    });
  });
});

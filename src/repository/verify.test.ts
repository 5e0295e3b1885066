import { zstdDecompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import {
  allFiles,
  makeRepository,
  newKeys,
  sample,
  type TestRepository,
  tampered,
  wrapStore,
  writeSet,
} from '../../test/contract/repository-fixture.ts';
import { sha256Hex } from '../crypto/digest.ts';
import type { IndexEntry, Manifest } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import { createIndexWriter } from './index-writer.ts';
import { fileKey, manifestKey } from './layout.ts';
import { encodeManifest } from './manifest.ts';
import type { Repository } from './repository.ts';
import { openSet } from './set-reader.ts';
import { verifyRepository, verifySet } from './verify.ts';

const id = '20261123T020000Z-daily-k3f9';
const opened: TestRepository[] = [];

afterEach(async () => {
  for (const location of opened.splice(0)) await location.remove();
});

async function location(): Promise<TestRepository> {
  const made = await makeRepository();
  opened.push(made);
  return made;
}

describe('an intact repository', () => {
  it('verifies: files without an identity, every object with one', async () => {
    const { repository, keys } = await location();
    const { manifest } = await writeSet(repository, keys, sample);
    const files = await verifySet(repository, id);
    expect(files).toMatchObject({ state: 'verified', depth: 'files', objects: 0, findings: [], signature: { verified: false } });
    expect(files.files).toBe(manifest.shards.length + manifest.index.length + 1);
    const contents = await verifySet(repository, id, { identities: [keys.identity], trusted: [keys.publicPem] });
    expect(contents).toMatchObject({ state: 'verified', depth: 'contents', objects: 6, findings: [], signature: { verified: true } });
    expect(await verifyRepository(repository)).toMatchObject({ ok: true, sets: [{ id }] });
  });

  it('verifies with a sealed index, in many shards, and without any object', async () => {
    const { repository, keys } = await location();
    const ids = ['20261123T020001Z-daily-aaaa', '20261123T020002Z-daily-bbbb'];
    await writeSet(repository, keys, { ...sample, id: ids[0]!, sealIndex: true, maxTarBytes: 1 });
    await writeSet(repository, keys, { objects: [], id: ids[1]! });
    for (const options of [{}, { identities: [keys.identity] }]) {
      const report = await verifyRepository(repository, options);
      expect(report.sets.flatMap(set => set.findings)).toEqual([]);
      expect(report.ok).toBe(true);
    }
  });
});

describe('a verification', () => {
  it('names what is damaged, and lets it not hide that other sets are whole', async () => {
    const { repository, keys } = await location();
    const other = '20261124T020000Z-daily-k3f9';
    const { manifest } = await writeSet(repository, keys, sample);
    await writeSet(repository, keys, { ...sample, id: other });
    const store = tampered(repository.store, fileKey(id, manifest.shards[0]!.name), undefined);
    const report = await verifyRepository({ ...repository, store });
    expect(report.ok).toBe(false);
    expect(report.sets.map(set => set.state)).toEqual(['damaged', 'verified']);
    expect(report.sets[0]!.findings).toEqual([
      {
        severity: 'error',
        code: 'BACKUP_CORRUPT',
        item: fileKey(id, manifest.shards[0]!.name),
        message: expect.stringContaining('missing'),
      },
    ]);
  });

  /** Signs the set anew with another index: what a defect of a writer would make. */
  async function withIndex(
    { repository, keys }: TestRepository,
    change: (entries: IndexEntry[]) => IndexEntry[],
    changeManifest: (manifest: Manifest) => Manifest = manifest => manifest,
  ): Promise<Repository> {
    const { manifest } = await writeSet(repository, keys, sample);
    const files = await allFiles(repository.store);
    const old = manifest.index[0]!;
    const text = zstdDecompressSync(files.get(fileKey(id, old.name))!).toString();
    const entries = text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as IndexEntry);
    let part: { record: Manifest['index'][number]; bytes: Uint8Array } | undefined;
    const writer = createIndexWriter({
      recipients: [],
      sealIndex: false,
      onPart: async made => {
        part = made;
      },
    });
    for (const entry of change(entries)) await writer.add(entry);
    await writer.finish();
    const altered = changeManifest({ ...manifest, index: [part!.record] });
    const store = tampered(repository.store, fileKey(id, old.name), part!.bytes);
    return { ...repository, store: tampered(store, manifestKey(id), encodeManifest(altered, keys.privatePem)) };
  }

  it.each<[string, (entries: IndexEntry[]) => IndexEntry[], RegExp]>([
    [
      'an object with another digest',
      all => all.map((e, i) => (i === 0 ? { ...e, digest: `sha256:${sha256Hex('x')}` } : e)),
      /not what the index/,
    ],
    ['an object with another size', all => all.map((e, i) => (i === 0 ? { ...e, size: e.size + 1 } : e)), /not what the index/],
    ['an object under another name', all => all.map((e, i) => (i === 0 ? { ...e, name: 'other' } : e)), /not what the index/],
    ['an object without a line', all => all.slice(1), /entries, the index has/],
    ['a line without an object', all => [...all, all[0]!], /the index has/],
    ['a line of a shard that does not exist', all => all.map(e => ({ ...e, shard: 'resources-0009.tar.zst.age' })), /no shard of the set/],
  ])('with an identity finds %s', async (_, change, message) => {
    const made = await location();
    const report = await verifySet(await withIndex(made, change), id, { identities: [made.keys.identity] });
    expect(report.state).toBe('damaged');
    expect(report.findings.map(finding => finding.message).join('\n')).toMatch(message);
  });

  it('finds counts that are not those of the index, without an identity too', async () => {
    const made = await location();
    const repository = await withIndex(
      made,
      all => all,
      manifest => ({ ...manifest, kinds: manifest.kinds.map((kind, i) => (i === 0 ? { ...kind, count: kind.count + 1 } : kind)) }),
    );
    const report = await verifySet(repository, id);
    expect(report.findings).toContainEqual(
      expect.objectContaining({ severity: 'error', item: 'configmaps', message: expect.stringContaining('counts 3') }),
    );
  });

  it.each<[string, (manifest: Manifest) => Manifest, RegExp]>([
    ['size of a shard', m => ({ ...m, shards: m.shards.map(shard => ({ ...shard, bytes: shard.bytes + 1 })) }), /bytes instead of/],
    ['number of lines', m => ({ ...m, index: m.index.map(part => ({ ...part, lines: part.lines + 1 })) }), /lines instead of/],
    ['sum of objects', m => ({ ...m, objects: m.objects + 1 }), /over all kinds/],
  ])('finds a wrong %s in the manifest', async (_, change, message) => {
    const made = await location();
    const report = await verifySet(await withIndex(made, all => all, change), id);
    expect(report.state).toBe('damaged');
    expect(report.findings.map(finding => finding.message).join('\n')).toMatch(message);
  });

  it('and a reader both refuse an object whose bytes are not what its line says', async () => {
    const made = await location();
    const repository = await withIndex(made, all => all.map((e, i) => (i === 0 ? { ...e, digest: `sha256:${sha256Hex('x')}` } : e)));
    const reader = await openSet(repository, id, { identities: [made.keys.identity] });
    const given: string[] = [];
    const reading = reader.read(
      () => true,
      entry => void given.push(entry.name),
    );
    await expect(reading).rejects.toMatchObject({
      code: 'BACKUP_CORRUPT',
      message: expect.stringContaining('core/v1/configmaps/agents/a.json'),
    });
    expect(given).not.toContain('a');
  });

  it('finds a kind that the manifest does not name', async () => {
    const made = await location();
    const repository = await withIndex(
      made,
      all => all,
      manifest => ({ ...manifest, kinds: manifest.kinds.filter(kind => kind.resource !== 'workflows') }),
    );
    expect((await verifySet(repository, id)).findings).toContainEqual(expect.objectContaining({ item: 'workflows.argoproj.io' }));
  });

  it('with nobody’s identity ends: that says nothing of the set', async () => {
    const { repository, keys } = await location();
    await writeSet(repository, keys, sample);
    const { identity } = await newKeys();
    const message = expect.stringMatching(new RegExp(`^${id}: .*: it is sealed to SHA256:[0-9a-f]{64}`));
    await expect(verifySet(repository, id, { identities: [identity] })).rejects.toMatchObject({ code: 'IDENTITY_WRONG', message });
    await expect(verifyRepository(repository, { identities: [identity] })).rejects.toMatchObject({ code: 'IDENTITY_WRONG' });
  });

  it('of sets that were sealed to different people opens what it can, and notes once what it cannot', async () => {
    const { repository, keys } = await location();
    const other = '20261124T020000Z-daily-k3f9';
    const colleague = await newKeys();
    await writeSet(repository, keys, { ...sample, maxTarBytes: 1 });
    await writeSet(repository, { ...keys, recipient: colleague.recipient }, { ...sample, id: other });
    const report = await verifyRepository(repository, { identities: [colleague.identity] });
    expect(report.ok).toBe(true);
    expect(report.sets.map(set => [set.depth, set.findings.map(finding => [finding.severity, finding.code])])).toEqual([
      ['files', [['note', 'IDENTITY_WRONG']]],
      ['contents', []],
    ]);
  });

  it('with an untrusted signature goes no further', async () => {
    const { repository, keys } = await location();
    await writeSet(repository, keys, sample);
    const stranger = await newKeys();
    const report = await verifySet(repository, id, { trusted: [stranger.publicPem] });
    expect(report.findings.map(finding => finding.code)).toEqual(['SIGNATURE_INVALID']);
  });

  it('names a file that no manifest vouches for, without calling the set damaged', async () => {
    const { repository, keys } = await location();
    await writeSet(repository, keys, sample);
    await repository.store.put(fileKey(id, 'note.txt'), Buffer.from('hello'));
    const report = await verifySet(repository, id);
    expect(report).toMatchObject({ state: 'verified', findings: [{ severity: 'note', item: fileKey(id, 'note.txt') }] });
  });

  it('throws when the store fails: that says nothing of the set', async () => {
    const { repository, keys } = await location();
    const { manifest } = await writeSet(repository, keys, sample);
    const failing = wrapStore(repository.store, {
      get: (key, options) => {
        if (key.includes(manifest.shards[0]!.name)) throw new HoldfastError('STORE_UNREACHABLE', 'no route');
        return repository.store.get(key, options);
      },
    });
    await expect(verifySet({ ...repository, store: failing }, id)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
  });

  it('of nothing is an error', async () => {
    const { repository } = await location();
    await expect(verifySet(repository, id)).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
  });

  it('reports its progress and ends on an abort', async () => {
    const { repository, keys } = await location();
    await writeSet(repository, keys, sample);
    const abort = new AbortController();
    const phases: string[] = [];
    const verifying = verifySet(repository, id, {
      identities: [keys.identity],
      signal: abort.signal,
      progress: event => {
        phases.push(event.phase);
        abort.abort(new Error('stop'));
      },
    });
    await expect(verifying).rejects.toThrow('stop');
    expect(phases[0]).toBe('verify');
  });
});

describe('the data of volumes that a set names', () => {
  const bytes = Buffer.from('as restic would have written it');
  const data = {
    ...{ repository: 'volumes/agents/workspace/', snapshot: sha256Hex(bytes), source: 'snapshot' as const },
    ...{ files: 1, bytes: 2, addedBytes: 2, durationMs: 3 },
  };
  const volumes: Manifest['volumes'] = [
    { namespace: 'agents', claim: 'workspace', state: 'captured', reason: '', data },
    { namespace: 'agents', claim: 'scratch', state: 'not-protected', reason: 'left out' },
  ];
  const snapshotFile = `${data.repository}snapshots/${data.snapshot}`;
  const password = `${data.repository}password.age`;

  async function withVolumes(files: Readonly<Record<string, Buffer>>) {
    const { repository, keys } = await location();
    for (const [key, content] of Object.entries(files)) await repository.store.put(key, content);
    await writeSet(repository, keys, { ...sample, volumes });
    const { state, volumes: checked, findings } = await verifySet(repository, id);
    return { state, checked, findings: findings.map(({ severity, code, item }) => [severity, code, item]) };
  }

  it('is looked for: the snapshot whole, and the password', async () => {
    const sealed = Buffer.from('sealed');
    expect(await withVolumes({ [snapshotFile]: bytes, [password]: sealed })).toEqual({ state: 'verified', checked: 1, findings: [] });
    expect(await withVolumes({ [password]: sealed })).toEqual({
      ...{ state: 'damaged', checked: 1, findings: [['error', 'VOLUME_DATA_MISSING', snapshotFile]] },
    });
    expect(await withVolumes({ [snapshotFile]: bytes })).toMatchObject({ findings: [['error', 'VOLUME_DATA_MISSING', password]] });
    for (const index of [0, bytes.length - 1]) {
      const flipped = Buffer.from(bytes);
      flipped[index]! ^= 1;
      expect(await withVolumes({ [snapshotFile]: flipped, [password]: sealed })).toMatchObject({
        ...{ state: 'damaged', findings: [['error', 'BACKUP_CORRUPT', snapshotFile]] },
      });
    }
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, configMap, makeRepository, type TestRepository, writeSet } from '../../test/contract/repository-fixture.ts';
import type { Manifest } from '../domain/backup-set.ts';
import { listSets } from './catalog.ts';
import { manifestKey } from './layout.ts';
import { resolveSet } from './resolve-set.ts';

const now = new Date('2026-11-23T12:00:00Z');

interface Written {
  readonly id: string;
  readonly startedAt?: string;
  readonly phase?: Manifest['phase'];
  /** No manifest. */
  readonly half?: true;
  /** A manifest that is none. */
  readonly damaged?: true;
}

/** A repository with these sets, and nothing to be found out but by its catalog. */
async function repositoryWith(sets: readonly Written[]): Promise<TestRepository> {
  const location = await makeRepository();
  for (const { half, damaged, ...set } of sets) {
    const { id } = set;
    const objects = [configMap('a')];
    await writeSet(location.repository, location.keys, { ...set, objects, halfWritten: half ?? damaged ?? false });
    if (damaged) await location.repository.store.put(manifestKey(id), Buffer.from('{}\n{}\n'));
  }
  return location;
}

const partial = 'PartiallyFailed' as const;
const week: readonly Written[] = [
  { id: '20261118T020000Z-daily-aaaa' },
  { id: '20261119T020000Z-daily-bbbb', phase: partial },
  { id: '20261120T020000Z-daily-cccc' },
  { id: '20261120T140000Z-manual-dddd' },
  { id: '20261120T235959Z-daily-eeee' },
  { id: '20261121T000000Z-daily-ffff' },
  { id: '20261122T020000Z-daily-gggg', phase: partial },
  { id: '20261122T030000Z-daily-hhhh', half: true },
  { id: '20261122T040000Z-daily-iiii', damaged: true },
];

describe('the catalog', () => {
  let location: TestRepository;
  beforeAll(async () => {
    location = await repositoryWith(week);
  });
  afterAll(() => location.remove());

  const resolve = (text: string, onNotice?: (notice: string) => void) =>
    resolveSet(location.repository, text, { now, ...(onNotice && { onNotice }) });

  it('lists every set, oldest first; half-written ones are none, and a damaged one hides no other', async () => {
    const sets = await collect(listSets(location.repository));
    expect(sets.map(set => [set.id.slice(-4), set.phase])).toEqual([
      ['aaaa', 'Completed'],
      ['bbbb', partial],
      ['cccc', 'Completed'],
      ['dddd', 'Completed'],
      ['eeee', 'Completed'],
      ['ffff', 'Completed'],
      ['gggg', partial],
      ['iiii', 'Unreadable'],
    ]);
    expect(sets[0]).toMatchObject({ startedAt: '2026-11-18T02:00:00.000Z', tier: 'daily', objects: 1, problems: 0, revision: '4711' });
    expect(sets[7]).toMatchObject({ error: { code: 'BACKUP_CORRUPT' } });
  });

  it.each([
    ['latest', 'ffff'],
    ['20261120T140000Z-manual-dddd', 'dddd'],
    ['20261119T020000Z-daily-bbbb', 'bbbb'],
    ['20261122T040000Z-daily-iiii', 'iiii'],
    ['20261118', 'aaaa'],
    ['20261120T14', 'dddd'],
    ['20261119', 'bbbb'],
    ['2026-11-20', 'eeee'],
    ['2026-11-18', 'aaaa'],
    ['2026-11-19', 'aaaa'],
    ['2026-11-30', 'ffff'],
    ['2026-11-20T14:00:00Z', 'dddd'],
    ['2026-11-20T13:59:59Z', 'cccc'],
    ['2026-11-20T13:59:59.999Z', 'cccc'],
    ['2026-11-20T14:00:00.5Z', 'dddd'],
    ['2026-11-20T15:00:00+01:00', 'dddd'],
    ['2026-11-20t14:00:00z', 'dddd'],
    ['2026-11-20 14:00Z', 'dddd'],
    ['2026-11-20T23:59:58-05:00', 'ffff'],
  ])('takes %s for the set %s', async (text, suffix) => {
    expect((await resolve(text)).slice(-4)).toBe(suffix);
  });

  it.each([
    ['20261120', 'BACKUP_AMBIGUOUS', /20261120T020000Z-daily-cccc, 20261120T140000Z-manual-dddd, 20261120T235959Z-daily-eeee/],
    ['2026', 'BACKUP_AMBIGUOUS', /or others/],
    ['2026-11', 'BACKUP_AMBIGUOUS', /month/],
    ['2026-11-20T14:00:00', 'BACKUP_AMBIGUOUS', /time zone/],
    ['2026-11-17', 'BACKUP_NOT_FOUND', /started by 2026-11-17/],
    ['2026-02-30', 'BACKUP_NOT_FOUND', /calendar/],
    ['2026-02-30T10:00:00Z', 'BACKUP_NOT_FOUND', /calendar/],
    ['2026-11-20T25:00:00Z', 'BACKUP_NOT_FOUND', /no time/],
    ['20261122T030000Z-daily-hhhh', 'BACKUP_NOT_FOUND', /hhhh/],
    ['20261122T03', 'BACKUP_NOT_FOUND', /20261122T03/],
    ['20261120T140000Z-manual-zzzz', 'BACKUP_NOT_FOUND', /zzzz/],
    ['yesterday', 'BACKUP_NOT_FOUND', /yesterday/],
    ['', 'BACKUP_NOT_FOUND', /""/],
    ['../..', 'BACKUP_NOT_FOUND', /\.\./],
  ])('answers %s with %s', async (text, code, message) => {
    await expect(resolve(text)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('says which newer sets it passed over, and why', async () => {
    const notices: string[] = [];
    await resolve('latest', notice => notices.push(notice));
    expect(notices.length).toBe(2);
    expect(notices[0]).toMatch(/iiii is newer than .*ffff, but was passed over: .*malformed/);
    expect(notices[1]).toMatch(/gggg is newer .*PartiallyFailed/);
    const quiet: string[] = [];
    await resolve('2026-11-20', notice => quiet.push(notice));
    expect(quiet).toEqual([]);
  });
});

describe('sets of one second', () => {
  it('are told apart by when they began, not by how their ids end', async () => {
    const location = await repositoryWith([
      { id: '20261118T020000Z-daily-zzzz', startedAt: '2026-11-18T02:00:00.100Z' },
      { id: '20261118T020000Z-daily-aaaa', startedAt: '2026-11-18T02:00:00.900Z' },
      { id: '20261118T020000Z-manual-bbbb', startedAt: '2026-11-18T02:00:00.300Z' },
    ]);
    try {
      const notices: string[] = [];
      const onNotice = (notice: string) => notices.push(notice);
      expect(await resolveSet(location.repository, 'latest', { now, onNotice })).toBe('20261118T020000Z-daily-aaaa');
      expect(notices).toEqual([]);
    } finally {
      await location.remove();
    }
  });
});

describe('a repository without a Completed set', () => {
  it('offers the newest PartiallyFailed one, and says so', async () => {
    const location = await repositoryWith([
      { id: '20261118T020000Z-daily-aaaa', phase: partial },
      { id: '20261119T020000Z-daily-bbbb', phase: partial },
    ]);
    try {
      const notices: string[] = [];
      const id = await resolveSet(location.repository, 'latest', { now, onNotice: notice => notices.push(notice) });
      expect(id).toBe('20261119T020000Z-daily-bbbb');
      expect(notices).toEqual([expect.stringMatching(/no set is Completed/)]);
    } finally {
      await location.remove();
    }
  });

  it('names only some of very many newer sets that it passed over', async () => {
    const newer = Array.from({ length: 8 }, (_, i) => ({ id: `2026111${i}T020000Z-daily-aaaa`, phase: partial }));
    const location = await repositoryWith([{ id: '20261101T020000Z-daily-aaaa' }, ...newer]);
    try {
      const notices: string[] = [];
      const id = await resolveSet(location.repository, 'latest', { now, onNotice: notice => notices.push(notice) });
      expect(id).toBe('20261101T020000Z-daily-aaaa');
      expect(notices.length).toBe(6);
      expect(notices[5]).toMatch(/^3 more sets/);
    } finally {
      await location.remove();
    }
  });

  it('is empty, or holds nothing readable: there is no latest', async () => {
    const location = await repositoryWith([{ id: '20261119T020000Z-daily-bbbb', half: true }]);
    try {
      await expect(resolveSet(location.repository, 'latest', { now })).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' });
      await location.repository.store.put(manifestKey('20261119T020000Z-daily-bbbb'), Buffer.from('x'));
      await expect(resolveSet(location.repository, 'latest', { now })).rejects.toMatchObject({ message: expect.stringContaining('bbbb') });
    } finally {
      await location.remove();
    }
  });

  it('warns of a set that is dated in the future', async () => {
    const location = await repositoryWith([{ id: '20991119T020000Z-daily-bbbb' }]);
    try {
      const notices: string[] = [];
      await resolveSet(location.repository, 'latest', { now, onNotice: notice => notices.push(notice) });
      expect(notices).toEqual([expect.stringMatching(/future/)]);
    } finally {
      await location.remove();
    }
  });
});

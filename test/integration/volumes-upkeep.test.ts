import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldfastError } from '../../src/domain/errors.ts';
import type { MoverRequest } from '../../src/domain/mover.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import type { VolumeRecord } from '../../src/domain/volume.ts';
import type { UpkeepBefore, UpkeepOutcome } from '../../src/domain/volume-upkeep.ts';
import { listSets } from '../../src/repository/catalog.ts';
import { manifestKey } from '../../src/repository/layout.ts';
import { encodeManifest } from '../../src/repository/manifest.ts';
import { deleteByHand } from '../../src/schedule/delete-by-hand.ts';
import { moverFailureCodes } from '../../src/volumes/mover-pod.ts';
import { runUpkeep } from '../../src/volumes/upkeep.ts';
import { manifestOf } from '../helpers/api-sets.ts';
import { type OpenLocation, openTestRepository } from '../helpers/journey.ts';
import { snapshotOf, type TestMover, testMover, testTuning } from '../helpers/mover.ts';
import { testRuntime } from '../helpers/runtime.ts';

const key = 'volumes/agents/workspace/';
const dayMs = 86_400_000;

/** Real restic on a real repository; the movers are the program itself, without its pod. */
describe('upkeep of volume data', () => {
  let location: OpenLocation;
  let mover: TestMover;
  let snapshots: string[];
  let asked: MoverRequest[] = [];

  beforeAll(async () => {
    location = await openTestRepository();
    mover = await testMover({ store: { repository: join(location.dir, key) } });
    const data = join(mover.dir, 'data');
    await mkdir(data);
    snapshots = [];
    for (const text of ['one', 'two', 'three']) {
      await writeFile(join(data, 'file'), text.repeat(50_000));
      snapshots.push(snapshotOf(await mover.backup(data)));
    }
  });
  afterAll(async () => {
    await mover?.remove();
    await location?.remove();
  });

  function upkeep(now: Date, before?: UpkeepBefore): Promise<UpkeepOutcome> {
    asked = [];
    return runUpkeep({
      ...{ repository: location.repository, trusted: [location.signingPublicKey], identities: [], before },
      settings: { namespace: 'holdfast', tuning: testTuning, parallel: 1 },
      repositories: { forBackup: () => Promise.reject(new Error('none')), open: async of => ({ key: of, password: mover.password }) },
      movers: {
        run: async task => {
          const request = task.request({ url: mover.repository, options: [], accessKeyId: '', secretAccessKey: '' });
          asked.push(request);
          const result = await mover.run(request);
          if (!result.ok) throw new HoldfastError(moverFailureCodes[result.code], result.message);
          return result;
        },
      },
      runtime: { ...testRuntime, now: () => now },
      ...{ signal: AbortSignal.timeout(120_000), progress: noProgress },
    });
  }

  async function writeSet(id: string, snapshot: string): Promise<void> {
    const data = {
      ...{ repository: key, snapshot, source: 'live', files: 1, bytes: 9, addedBytes: 9, durationMs: 1 },
    } as const satisfies VolumeRecord['data'];
    const volumes: VolumeRecord[] = [{ namespace: 'agents', claim: 'workspace', state: 'captured', reason: '', data }];
    const manifest = { ...manifestOf({ id }), repository: location.repository.info.id, volumes };
    await location.repository.store.put(manifestKey(id), encodeManifest(manifest, location.signingKey));
  }

  async function deleteSet(id: string): Promise<void> {
    const { repository, signingKey, signingPublicKey } = location;
    await deleteByHand(id, {
      ...{ repository, signingKey, trusted: [signingPublicKey], policies: [], runtime: testRuntime, progress: noProgress },
      ...{ actor: { name: 'alice', via: 'cli' }, busy: async () => new Map(), record: async () => {} },
      sets: () => Array.fromAsync(listSets(repository)),
    });
  }

  const stored = async () => (await readdir(join(location.dir, key, 'snapshots'))).sort();
  /** A day on which no check is due. */
  const quietDay = async (from: number): Promise<Date> => {
    const { dueCheck } = await import('../../src/volumes/upkeep-rules.ts');
    let at = new Date(Date.now() + from * dayMs);
    while (dueCheck(key, at) !== undefined) at = new Date(at.getTime() + dayMs);
    return at;
  };

  it('forgets nothing that is younger than a day', async () => {
    const outcome = await upkeep(new Date());
    expect(outcome.items.filter(item => item.forgotten > 0)).toEqual([]);
    expect(await stored()).toEqual([...snapshots].sort());
  });

  it('forgets nothing while a set cannot be read', async () => {
    await writeSet('20261120T020000Z-daily-aaaa', snapshots[1] ?? '');
    const broken = manifestKey('20261121T020000Z-daily-bbbb');
    await location.repository.store.put(broken, Buffer.from('{}'));
    const outcome = await upkeep(await quietDay(2));
    expect(outcome.items).toEqual([]);
    expect(outcome.notices).toEqual([expect.stringMatching(/no volume data is forgotten.*20261121T020000Z-daily-bbbb/)]);
    expect(await stored()).toEqual([...snapshots].sort());
    // What stands in the way of it can be deleted by hand.
    await deleteSet('20261121T020000Z-daily-bbbb');
    expect((await upkeep(new Date())).notices).toEqual([]);
  });

  it('forgets by id what no set names, such as one that was deleted by hand, and what is left restores and is whole', async () => {
    await writeSet('20261119T020000Z-manual-cccc', snapshots[0] ?? '');
    await deleteSet('20261119T020000Z-manual-cccc');
    expect(await stored()).toEqual([...snapshots].sort());
    const outcome = await upkeep(await quietDay(2));
    expect(outcome.items).toEqual([{ repository: key, forgotten: 2, state: 'done', reason: '' }]);
    expect(asked).toMatchObject([{ action: 'forget', snapshots: [snapshots[0], snapshots[2]].sort(), prune: true }]);
    expect(await stored()).toEqual([snapshots[1]]);
    const target = join(mover.dir, 'target', 'data');
    await mkdir(target, { recursive: true });
    expect(await mover.restore(target, snapshots[1] ?? '')).toMatchObject({ ok: true });
    expect(await readFile(join(target, 'file'), 'utf8')).toBe('two'.repeat(50_000));
    expect(await mover.run({ ...mover.common(), action: 'check', subset: '1/1' })).toMatchObject({ ok: true });
  });

  it('reads a part on the day that it is due, and finds nothing to do on others', async () => {
    const { dueCheck } = await import('../../src/volumes/upkeep-rules.ts');
    let due = new Date(Date.now() + 2 * dayMs);
    while (dueCheck(key, due) === undefined) due = new Date(due.getTime() + dayMs);
    const subset = dueCheck(key, due);
    expect((await upkeep(due)).items).toEqual([{ repository: key, forgotten: 0, checked: subset, state: 'done', reason: '' }]);
    expect(asked).toMatchObject([{ action: 'check', subset }]);
    expect((await upkeep(await quietDay(2))).items).toEqual([]);
    expect(asked).toEqual([]);
  });

  it('reads what was due since the upkeep before, and again what that could not read', async () => {
    const quiet = await quietDay(2);
    const day = (count: number) => new Date(quiet.getTime() - count * dayMs);
    const { items } = await upkeep(quiet, { at: day(7), unread: new Map() });
    expect(items).toMatchObject([{ repository: key, checked: expect.stringMatching(/\/12$/), state: 'done' }]);
    expect((await upkeep(quiet, { at: day(0), unread: new Map() })).items).toEqual([]);
    const again = await upkeep(quiet, { at: day(0), unread: new Map([[key, '5/12']]) });
    expect(again.items).toMatchObject([{ repository: key, checked: '5/12' }]);
    expect(asked).toMatchObject([{ action: 'check', subset: '5/12' }]);
  });

  it('tells a damaged pack, and what it could not find whole', async () => {
    const packs = join(location.dir, key, 'data');
    const [folder = ''] = (await readdir(packs, { recursive: true })).filter(name => name.includes('/'));
    const pack = join(packs, folder);
    const bytes = await readFile(pack);
    bytes.fill(0xff, 0, 64);
    const { chmod } = await import('node:fs/promises');
    await chmod(pack, 0o600);
    await writeFile(pack, bytes);
    expect(await mover.run({ ...mover.common(), action: 'check', subset: '1/1' })).toMatchObject({ ok: false, code: 'repository-damaged' });
    const { items } = await upkeep(await quietDay(2), { at: new Date(0), unread: new Map([[key, '1/1']]) });
    expect(items).toMatchObject([{ repository: key, state: 'failed', code: 'VOLUME_DATA_DAMAGED', unread: '1/1' }]);
  });
});

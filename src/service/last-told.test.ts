import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configMap, makeRepository, type TestRepository, writeSet } from '../../test/contract/repository-fixture.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import type { LedgerAction } from '../domain/ledger.ts';
import { manifestKey } from '../repository/layout.ts';
import { openLedger } from '../repository/ledger.ts';
import { openLiveCatalog } from '../repository/live-catalog.ts';
import { encodeManifest } from '../repository/manifest.ts';
import { lastTold } from './last-told.ts';
import type { World } from './world.ts';

const now = new Date('2026-11-23T12:00:00Z');
const dayMs = 86_400_000;
const daysAgo = (days: number) => new Date(now.getTime() - days * dayMs);
const [own, ofOthers] = ['20261101T020000Z-daily-aaaa', '20261102T020000Z-daily-bbbb'];
const home = { identity: { uid: 'a1', server: 'https://127.0.0.1:6443' }, since: new Date(0) };

describe('when the ledger was last told of this cluster', () => {
  let location: TestRepository;
  beforeEach(async () => {
    location = await makeRepository();
    await writeSet(location.repository, location.keys, { id: own, objects: [configMap('a')] });
  });
  afterEach(() => location.remove());

  async function takenByOthers() {
    const { repository, keys } = location;
    const { manifest } = await writeSet(repository, keys, { id: ofOthers, objects: [configMap('a')], halfWritten: true });
    const cluster = { ...manifest.cluster, uid: 'b2' };
    await repository.store.put(manifestKey(ofOthers), encodeManifest({ ...manifest, cluster }, keys.privatePem));
  }

  /** In the order in which they were told. */
  async function toldOf(...entries: readonly { at: number; action: LedgerAction; subject: string; details?: object }[]): Promise<Date> {
    const { repository, keys } = location;
    const trusted = [keys.publicPem];
    let at = now;
    const runtime = { ...testRuntime, now: () => at };
    const ledger = openLedger(repository, { signingKey: keys.privatePem, trusted, runtime });
    for (const { at: days, action, subject, details } of entries) {
      at = daysAgo(days);
      await ledger.append({ action, subject, actor: { name: 'holdfast', via: 'service' }, details: { ...details } });
    }
    at = now;
    const catalog = openLiveCatalog(repository, { trusted });
    await catalog.refresh();
    return lastTold({ ledger, catalog, runtime, home, log: { error: () => {} } } as unknown as World, AbortSignal.timeout(60_000));
  }

  it('is when it was told of anything, where there are no sets of others', async () => {
    expect(await toldOf({ at: 9, action: 'backup.completed', subject: own }, { at: 3, action: 'request.refused', subject: 'x' })).toEqual(
      daysAgo(4),
    );
  });

  it('goes back over what others told meanwhile, of sets of this cluster too', async () => {
    await takenByOthers();
    const since = await toldOf(
      { at: 12, action: 'backup.completed', subject: own },
      { at: 9, action: 'service.started', subject: 'r', details: { cluster: 'b2' } },
      { at: 5, action: 'restore.started', subject: own },
      { at: 2, action: 'backup.completed', subject: own, details: { toldLater: true } },
      { at: 1, action: 'backup.completed', subject: ofOthers },
    );
    expect(since).toEqual(daysAgo(13));
  });

  it('is also when a service of this cluster began to lead', async () => {
    await takenByOthers();
    const since = await toldOf(
      { at: 6, action: 'service.started', subject: 'r', details: { cluster: 'a1' } },
      { at: 1, action: 'backup.completed', subject: ofOthers },
    );
    expect(since).toEqual(daysAgo(7));
  });

  it('is a month ago where nothing says', async () => {
    await takenByOthers();
    expect(await toldOf({ at: 1, action: 'backup.completed', subject: ofOthers })).toEqual(daysAgo(32));
    expect(await toldOf({ at: 0, action: 'service.started', subject: 'r', details: { version: '0.1.0' } })).toEqual(daysAgo(32));
  });
});

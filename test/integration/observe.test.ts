import { beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import type { HoldfastError } from '../../src/domain/errors.ts';
import type { ResourceKind } from '../../src/domain/resource.ts';
import { eventReasons } from '../../src/observe/event-reasons.ts';
import { createEventRecorder, type EventRegarding, mostPerHour, repeatWithinMs } from '../../src/observe/kubernetes-events.ts';
import { createNoticeStore } from '../../src/observe/notice-store.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { connect } from '../helpers/journey.ts';
import { manualTime } from '../helpers/manual-time.ts';

const events: ResourceKind = {
  ...{ group: 'events.k8s.io', version: 'v1', resource: 'events', kind: 'Event' },
  ...{ namespaced: true, verbs: ['list'], subresources: [] },
};
const namespaces: ResourceKind = { ...events, group: '', resource: 'namespaces', kind: 'Namespace', namespaced: false };
const forever = new AbortController().signal;

interface StoredEvent {
  readonly reason: string;
  readonly type: string;
  readonly action: string;
  readonly note: string;
  readonly reportingInstance: string;
  readonly regarding: Record<string, string>;
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
  readonly metadata: { readonly name: string };
}

describe('on a real API server', () => {
  const cluster = withCluster({ controllers: false, users: [{ name: 'nobody', token: 'token-of-nobody' }] });
  let api: ClusterApi;
  const about = (name: string): EventRegarding => ({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace: 'watched', name });

  beforeAll(async () => {
    api = await connect(cluster());
    await api.create(namespaces, '', JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'watched' } }));
    return () => api.close();
  });

  async function eventsAbout(name: string, namespace = 'watched'): Promise<StoredEvent[]> {
    const found: StoredEvent[] = [];
    await api.list(
      events,
      ({ buffer, ends }) => {
        const text = Buffer.from(buffer);
        for (const [index, end] of ends.entries()) found.push(JSON.parse(text.subarray(ends[index - 1] ?? 0, end).toString('utf8')));
      },
      { namespace },
    );
    return found.filter(({ regarding }) => regarding['name'] === name);
  }

  /** Keeps what could not be written. */
  function recorder(regarding: EventRegarding, use: Pick<ClusterApi, 'create' | 'patch'> = api) {
    const troubles: HoldfastError[] = [];
    // The API server looks at times: they are near to its own.
    const time = manualTime(new Date().toISOString());
    const made = createEventRecorder({
      ...{ cluster: use, regarding, instance: 'holdfast-7d4b-x2', runtime: time },
      onTrouble: error => troubles.push(error),
    });
    return { ...made, time, troubles };
  }

  it('every reason is written as an Event of its own, as kubectl shows it', async () => {
    const { record, idle, troubles } = recorder(about('reasons'));
    const reasons = Object.keys(eventReasons) as (keyof typeof eventReasons)[];
    for (const reason of reasons) record({ reason, topic: 'platform', note: `about ${reason}` });
    await idle();
    expect(troubles).toEqual([]);
    const written = await eventsAbout('reasons');
    expect(written.map(({ reason }) => reason).toSorted()).toEqual(reasons.toSorted());
    expect(written.find(({ reason }) => reason === 'BackupFailed')).toMatchObject({
      ...{ type: 'Warning', action: 'Backup', note: 'about BackupFailed', reportingInstance: 'holdfast-7d4b-x2' },
      regarding: { kind: 'Lease', namespace: 'watched', name: 'reasons' },
    });
  });

  it('the same again within half an hour is counted, later it is a new one', async () => {
    const { record, idle, time } = recorder(about('repeated'));
    const failed = { reason: 'BackupFailed', topic: 'platform/daily', note: 'no answer' } as const;
    for (let index = 0; index < 4; index++) {
      record(failed);
      await idle();
      await time.advance(60_000);
    }
    expect((await eventsAbout('repeated')).map(({ series }) => series?.count)).toEqual([4]);
    await time.advance(repeatWithinMs);
    record(failed);
    record({ ...failed, topic: 'platform/weekly' });
    await idle();
    expect(await eventsAbout('repeated')).toHaveLength(3);
  });

  it('an Event that was deleted is written anew', async () => {
    const { record, idle, troubles } = recorder(about('deleted'));
    const elected = { reason: 'LeaderElected', topic: 'a', note: 'a leads' } as const;
    record(elected);
    await idle();
    const [first] = await eventsAbout('deleted');
    await api.delete(events, 'watched', first!.metadata.name);
    record(elected);
    await idle();
    expect([await eventsAbout('deleted'), troubles]).toMatchObject([[{ reason: 'LeaderElected' }], []]);
  });

  it('long notes are cut between characters, and a cluster-scoped object has its Events in default', async () => {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', namespace: '', name: 'watched' };
    const { record, idle, troubles } = recorder(namespace);
    record({ reason: 'BackupFailed', topic: 'x', note: '€'.repeat(2_000) });
    await idle();
    expect(troubles).toEqual([]);
    const [written] = await eventsAbout('watched', 'default');
    expect(written!.note).toMatch(/^€{300,}…$/);
  });

  it('there are never more than so many an hour', async () => {
    const { record, idle, time } = recorder(about('many'));
    for (let index = 0; index < 2 * mostPerHour; index++) {
      record({ reason: 'RestoreStarted', topic: `r${index}`, note: `restore ${index}` });
      await idle();
    }
    expect(await eventsAbout('many')).toHaveLength(mostPerHour);
    await time.advance(3_600_000);
    record({ reason: 'RestoreStarted', topic: 'later', note: 'later' });
    await idle();
    expect(await eventsAbout('many')).toHaveLength(mostPerHour + 1);
  });

  it('without the right to write them, the work goes on and the trouble is told', async () => {
    const stranger = await connect(cluster(), 'token-of-nobody');
    const { record, idle, troubles } = recorder(about('forbidden'), stranger);
    record({ reason: 'BackupCompleted', topic: 'x', note: 'done' });
    await idle();
    expect(troubles.map(({ code }) => code)).toEqual(['CLUSTER_FORBIDDEN']);
    await stranger.close();
  });

  it('what people were told is kept in a ConfigMap, which is made when first needed', async () => {
    const store = createNoticeStore(api, { namespace: 'watched', name: 'holdfast-notices' });
    expect(await store.load(forever)).toBeUndefined();
    await store.save('{"memory":{}}', forever);
    await store.save('{"memory":{"a":1}}', forever);
    const other = createNoticeStore(api, { namespace: 'watched', name: 'holdfast-notices' });
    expect(await other.load(forever)).toBe('{"memory":{"a":1}}');
  });
});

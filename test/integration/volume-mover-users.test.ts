import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { liveRefusal, type MoveContext, moveLive } from '../../src/backup/volumes/move.ts';
import type { WantedClaim } from '../../src/backup/volumes/select.ts';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { createLease } from '../../src/cluster/lease.ts';
import { at, type JsonObject } from '../../src/domain/json.ts';
import { noProgress, type Progress } from '../../src/domain/runtime.ts';
import type { VolumeRecord } from '../../src/domain/volume.ts';
import { restoreInPlace } from '../../src/restore/volumes/in-place.ts';
import type { VolumeTools } from '../../src/restore/volumes/tools.ts';
import { jobs, pods } from '../../src/volumes/kinds.ts';
import { installationOf } from '../../src/volumes/labels.ts';
import { moverJob } from '../../src/volumes/mover-job.ts';
import { startMover } from '../../src/volumes/mover-objects.ts';
import { untilMoversGone } from '../../src/volumes/mover-users.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import { createScaledWorkloads } from '../../src/volumes/scaled-workloads.ts';
import { waitFor } from '../cluster/wait.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { connectTo } from '../contract/cluster-api-kinds.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { makeNamespace, moverPod, moversOn, nameOf, never, setPodStatus, testMover, testVolumeSettings } from '../helpers/volumes.ts';

const place = { namespace: 'agents', claim: 'data' };
const [monday, tuesday] = ['20261123T020000Z-daily-k3f9', '20261124T020000Z-daily-b2c4'] as const;
const repository = { key: 'volumes/agents/data/', password: 'p' };
const [ours, theirs] = [installationOf('a'.repeat(32), 'holdfast'), installationOf('b'.repeat(32), 'other')];
const ofMovers = { labelSelector: 'app.kubernetes.io/component=mover' };
const patience = { timeoutMs: 60_000, intervalMs: 50 };

const record: VolumeRecord = {
  ...{ ...place, state: 'captured', reason: '', volumeMode: 'Filesystem' },
  data: { repository: repository.key, snapshot: 'ab'.repeat(32), source: 'live', files: 1, bytes: 9, addedBytes: 9, durationMs: 5 },
};

/** Its container has ended, and the kubelet still unmounts its volumes: the pod itself runs until that is done. */
const done = {
  phase: 'Running',
  containerStatuses: [
    {
      ...{ name: 'mover', ready: false, restartCount: 0, image: 'i', imageID: '' },
      state: {
        terminated: {
          ...{ exitCode: 0, reason: 'Completed', startedAt: null, finishedAt: null },
          message: JSON.stringify({ ok: true, action: 'restore', snapshot: 'ab'.repeat(32), files: 1, bytes: 9, durationMs: 4 }),
        },
      },
    },
  ],
};

/** The control plane is real and has no node: the test speaks for the kubelet, and a finalizer holds pods as it would. */
describe('a claim that movers have had', () => {
  const cluster = withCluster();
  let api: ClusterApi;
  let objects: Objects;
  let tools: VolumeTools;

  beforeAll(async () => {
    api = await connectTo(cluster());
    objects = createObjects(api, testRuntime);
    for (const name of [testVolumeSettings.namespace, place.namespace]) await makeNamespace(objects, name);
    const lease = (name: string) => createLease(api, { namespace: testVolumeSettings.namespace, name });
    const common = { objects, settings: testVolumeSettings, installation: ours, runtime: testRuntime, lease, onWarning: () => {} };
    tools = {
      ...{ settings: testVolumeSettings, installation: ours, identities: [], movers: moversOn(api, { installation: ours }).movers },
      repositories: { forBackup: async () => repository, open: async () => repository },
      scaled: createScaledWorkloads({ ...common, monotonic: () => performance.now() }),
    };
  });
  afterAll(() => api?.close());
  afterEach(async () => {
    const none = async () => {
      for (const job of await objects.list(jobs, ofMovers, never)) await objects.remove(jobs, place.namespace, nameOf(job), never);
      for (const pod of await podsThere()) {
        await release(pod);
        await api.delete(pods, place.namespace, nameOf(pod));
      }
      return (await podsThere()).length === 0;
    };
    await waitFor('all pods are gone', none, patience);
  });

  const podsThere = () => objects.list(pods, { namespace: place.namespace }, never);
  const hold = (pod: JsonObject) => {
    const finalizers = [...((at(pod, 'metadata', 'finalizers') ?? []) as string[]), 'holdfast.dev/test'];
    return objects.merge(pods, place.namespace, nameOf(pod), { metadata: { finalizers } }, never);
  };
  const release = (pod: JsonObject) => objects.merge(pods, place.namespace, nameOf(pod), { metadata: { finalizers: null } }, never);

  /** `waits`: what it has said that it waits for. */
  function restore(set: string, { scaleDown = false, signal = never }: { scaleDown?: boolean; signal?: AbortSignal } = {}) {
    const waits: string[] = [];
    const progress: Progress = ({ phase, detail = '' }) => {
      if (phase === 'wait') waits.push(detail);
    };
    const claim = { spec: { volumeMode: 'Filesystem', resources: { requests: { storage: '64Mi' } } } };
    const task = { set, record, place, claim, include: [], deleteOthers: false, scaleDown };
    const ended = restoreInPlace(task, { objects, tools, signal, progress });
    ended.catch(() => {});
    return { ended, waits };
  }
  /** The restore is done, and the pod of its mover stays. */
  async function restoreThatLingers(): Promise<JsonObject> {
    const { ended } = restore(monday);
    const pod = await moverPod(objects);
    await hold(pod);
    await setPodStatus(api, pod, done);
    await ended;
    return pod;
  }
  async function finish(job: { readonly ended: Promise<unknown> }): Promise<void> {
    await setPodStatus(api, await moverPod(objects), done);
    expect(await job.ended).toMatchObject({ source: 'repository', files: 1 });
  }
  function startPod(name: string, labels: Record<string, string> = {}): Promise<JsonObject> {
    const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: place.claim } }];
    const spec = { containers: [{ name: 'main', image: 'localhost/none:1' }], volumes };
    return objects.create(pods, { metadata: { name, namespace: place.namespace, labels }, spec }, never);
  }
  /** Of a process that was killed: its Job goes on. */
  async function startLeftMover(set: string): Promise<JsonObject> {
    const name = 'holdfast-mover-left';
    const job = moverJob({
      ...{ name, installation: ours, avoid: [], startMs: 1_000, slot: 'gone-0', pod: testMover, request: { action: 'bind' } },
      task: {
        ...{ work: set, role: 'restore', subject: place, namespace: place.namespace, repository, request: () => ({ action: 'bind' }) },
        claim: { name: place.claim, mode: 'Filesystem', readOnly: false },
      },
    });
    await startMover(objects, { namespace: place.namespace, name, job, secret: undefined, signal: never });
    return moverPod(objects);
  }

  it.each([false, true])('is waited for while one that is done lets it go, and is then restored anew (scale down: %s)', async scaleDown => {
    const pod = await restoreThatLingers();
    const next = restore(tuesday, { scaleDown });
    await waitFor('it says what it waits for', async () => next.waits.length > 0, patience);
    expect(next.waits).toEqual([`movers to let agents/data go: ${nameOf(pod)}`]);
    expect(await objects.list(jobs, ofMovers, never)).toEqual([]);
    await release(pod);
    await finish(next);
  });

  it('is refused where a pod of somebody else uses it, without waiting for a mover that ends', async () => {
    const pod = await restoreThatLingers();
    await startPod('app');
    const { ended, waits } = restore(tuesday);
    await expect(ended).rejects.toMatchObject({
      code: 'VOLUME_IN_USE',
      message: 'persistentvolumeclaims agents/data is used by pods app',
    });
    expect(waits).toEqual([]);
    expect((await podsThere()).map(nameOf).sort()).toEqual(['app', nameOf(pod)].sort());
  });

  it('is refused where a mover of another installation has it, as any other pod', async () => {
    await startPod('their-mover', { 'holdfast.dev/job': 'their-mover', 'holdfast.dev/installation': theirs });
    await expect(restore(tuesday).ended).rejects.toMatchObject({ code: 'VOLUME_IN_USE', message: expect.stringContaining('their-mover') });
  });

  it('is refused while other work of this installation has it, and that is named', async () => {
    const first = restore(monday);
    const pod = await moverPod(objects);
    for (const scaleDown of [false, true]) {
      await expect(restore(tuesday, { scaleDown }).ended).rejects.toMatchObject({
        code: 'VOLUME_IN_USE',
        message: `persistentvolumeclaims agents/data is restored from ${monday} at this moment, by pods ${nameOf(pod)}`,
      });
    }
    await finish(first);
  });

  it('is taken from what a killed life of the same restore has left at work', async () => {
    const left = await startLeftMover(monday);
    await expect(restore(tuesday).ended).rejects.toMatchObject({ code: 'VOLUME_IN_USE' });
    const again = restore(monday);
    const isAnother = async () => {
      const names = (await podsThere()).map(nameOf);
      return names.length === 1 && names[0] !== nameOf(left);
    };
    await waitFor('its own mover is the only one', isAnother, patience);
    await finish(again);
  });

  it('is waited for no longer than it takes, nor when nobody wants it any more', async () => {
    const pod = await restoreThatLingers();
    const context = { objects, signal: never, progress: noProgress, installation: ours, endingMs: 500 };
    await expect(untilMoversGone(place, undefined, context)).rejects.toMatchObject({
      code: 'VOLUME_IN_USE',
      message: expect.stringContaining(`used by pods ${nameOf(pod)}: movers that are done, and do not go`),
    });
    const cancelled = new AbortController();
    const next = restore(tuesday, { signal: cancelled.signal });
    await waitFor('it waits', async () => next.waits.length > 0, patience);
    cancelled.abort(new Error('cancelled'));
    await expect(next.ended).rejects.toThrow('cancelled');
  });

  describe('and only one pod may have', () => {
    const claim: WantedClaim = {
      facts: { ...place, sizeBytes: 2 ** 26 },
      ...{ mode: 'Filesystem', accessModes: ['ReadWriteOncePod'], volume: 'pv-a', method: 'live' },
    } as Partial<WantedClaim> as WantedClaim;
    const live = (waits: string[]): MoveContext =>
      ({
        ...{ ...tools, objects, work: tuesday, signal: never, runtime: testRuntime, podsByClaim: new Map() },
        progress: ({ phase, detail = '' }) => {
          if (phase === 'wait') waits.push(detail);
        },
      }) as Partial<MoveContext> as MoveContext;

    it('is backed up once a mover that is done has let it go', async () => {
      const pod = await restoreThatLingers();
      const waits: string[] = [];
      const data = moveLive(live(waits), claim);
      await waitFor('it says what it waits for', async () => waits.length > 0, patience);
      expect(await objects.list(jobs, ofMovers, never)).toEqual([]);
      await release(pod);
      await setPodStatus(api, await moverPod(objects), done);
      expect(await data).toMatchObject({ source: 'live', repository: repository.key });
    });

    it('is not backed up while it is restored', async () => {
      const first = restore(monday);
      await moverPod(objects);
      await expect(moveLive(live([]), claim)).rejects.toMatchObject({ code: 'VOLUME_IN_USE' });
      await finish(first);
    });

    it('is refused for its pod’s sake, not for that of a mover', () => {
      const pod = (labels: Record<string, string>): JsonObject => ({ metadata: { name: 'p', labels }, spec: { nodeName: 'one' } });
      const refusal = (labels: Record<string, string>) =>
        liveRefusal({ installation: ours, podsByClaim: new Map([['agents/data', [pod(labels)]]]) }, claim)?.code;
      expect(refusal({ app: 'x' })).toBe('VOLUME_UNSUPPORTED');
      expect(refusal({ 'holdfast.dev/job': 'x', 'holdfast.dev/installation': theirs })).toBe('VOLUME_UNSUPPORTED');
      expect(refusal({ 'holdfast.dev/job': 'x', 'holdfast.dev/installation': ours })).toBeUndefined();
    });
  });
});

import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { at, type JsonObject, stringAt } from '../../src/domain/json.ts';
import { type MoverRequest, moverOutcomes } from '../../src/domain/mover.ts';
import { createVolumeMetrics } from '../../src/observe/volume-metrics.ts';
import { volumeKey } from '../../src/repository/layout.ts';
import { jobs, leases, pods, secrets } from '../../src/volumes/kinds.ts';
import { createObjects, type Objects } from '../../src/volumes/objects.ts';
import type { Movers, MoverTask } from '../../src/volumes/ports.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { connectTo } from '../contract/cluster-api-kinds.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { makeNamespace, moverPod, moversOn, nameOf, never, setPodStatus, testMover, testVolumeSettings } from '../helpers/volumes.ts';

const repository = { key: volumeKey({ namespace: 'agents', claim: 'workspace' }), password: 'secret-password' };

const task: MoverTask = {
  ...{ work: '20261123T020000Z-daily-k3f9', role: 'backup', subject: { namespace: 'agents', claim: 'workspace' }, namespace: 'holdfast' },
  ...{ claim: { name: 'temporary', mode: 'Filesystem', readOnly: true }, repository },
  request: ({ url, options }): MoverRequest => ({
    ...{ action: 'backup', repository: url, options, tuning: testVolumeSettings.tuning, mode: 'Filesystem', path: '/data' },
    ...{ host: 'agents', tags: [], time: '2026-11-23T02:00:00Z' },
  }),
};

const success = { ok: true, action: 'backup', snapshot: 'ab'.repeat(32), files: 2, bytes: 9, addedBytes: 9, durationMs: 4 } as const;

function ended(exitCode: number, reason: string, message: string): object {
  const state = { terminated: { exitCode, reason, message, startedAt: null, finishedAt: null } };
  const status = { name: 'mover', ready: false, restartCount: 0, image: 'i', imageID: '', state };
  return { phase: exitCode === 0 ? 'Succeeded' : 'Failed', containerStatuses: [status] };
}

/** The control plane is real and has no node: the test speaks for the kubelet. */
describe('movers, on a control plane without nodes', () => {
  const cluster = withCluster();
  let api: ClusterApi;
  let objects: Objects;
  const run = (movers: Movers, what: MoverTask = task, signal: AbortSignal = never) => movers.run(what, { signal, progress: () => {} });

  beforeAll(async () => {
    api = await connectTo(cluster());
    objects = createObjects(api, testRuntime);
    await Promise.all([makeNamespace(objects, 'holdfast'), makeNamespace(objects, 'agents')]);
  });
  afterAll(() => api?.close());

  /** Jobs, pods, Secrets and leases of movers, in all namespaces. */
  const remains = async () => {
    const [left, leasesLeft] = await Promise.all([
      Promise.all([jobs, pods, secrets].map(kind => objects.list(kind, { labelSelector: 'app.kubernetes.io/component=mover' }, never))),
      objects.list(leases, { namespace: 'holdfast' }, never),
    ]);
    return [...left.flat(), ...leasesLeft].map(object => `${stringAt(object, 'kind') ?? 'object'} ${nameOf(object)}`);
  };
  const nothingRemains = () => expect.poll(remains, { timeout: 20_000, interval: 100 }).toEqual([]);
  afterEach(nothingRemains);

  it('run as a Job without rights, with its credentials in a Secret that belongs to it, and tell their result', async () => {
    const { movers, warnings } = moversOn(api);
    const result = run(movers);
    const pod = await moverPod(objects);
    expect(pod['spec']).toMatchObject({
      ...{ automountServiceAccountToken: false, restartPolicy: 'Never', enableServiceLinks: false },
      securityContext: { runAsUser: 0, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          ...{ image: testMover.image, imagePullPolicy: 'Never', resources: testMover.resources },
          securityContext: {
            ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
            capabilities: { drop: ['ALL'], add: ['DAC_READ_SEARCH'] },
          },
          volumeMounts: expect.arrayContaining([expect.objectContaining({ mountPath: '/data', readOnly: true })]),
        },
      ],
    });
    const [container] = at(pod, 'spec', 'containers') as JsonObject[];
    const request = String(at(container, 'args') ?? '').slice('mover,'.length);
    expect(JSON.parse(request)).toMatchObject({ repository: 's3:http://minio:9000/bucket/volumes/agents/workspace' });
    expect(JSON.stringify(pod)).not.toContain(repository.password);

    const [secret] = await objects.list(secrets, { labelSelector: 'app.kubernetes.io/component=mover' }, never);
    const [job] = await objects.list(jobs, { namespace: 'holdfast' }, never);
    expect(stringAt(secret, 'data', 'password')).toBe(Buffer.from(repository.password).toString('base64'));
    expect(at(secret, 'metadata', 'ownerReferences')).toMatchObject([
      { kind: 'Job', name: nameOf(job), uid: stringAt(job, 'metadata', 'uid') },
    ]);
    expect(job?.['spec']).toMatchObject({ backoffLimit: 0, ttlSecondsAfterFinished: 600 });

    await setPodStatus(api, pod, ended(0, 'Completed', JSON.stringify(success)));
    expect(await result).toEqual(success);
    expect(warnings).toEqual([]);
  });

  it('work one at a time in a repository, and side by side in two', async () => {
    const [{ movers }, { movers: others }] = [moversOn(api), moversOn(api)];
    const [first, second] = [run(movers), run(others)];
    const elsewhere = run(movers, {
      ...task,
      subject: { namespace: 'agents', claim: 'b' },
      repository: { ...repository, key: 'volumes/agents/b/' },
    });
    const pods1 = await objects.observe(
      pods,
      { labelSelector: 'app.kubernetes.io/component=mover' },
      found => (found.size === 2 ? [...found.values()] : undefined),
      { timeoutMs: 20_000, signal: never },
    );
    const digests = new Set(pods1?.map(pod => stringAt(pod, 'metadata', 'labels', 'holdfast.dev/repository')));
    expect(digests.size).toBe(2);
    for (const pod of pods1 ?? []) await setPodStatus(api, pod, ended(0, 'Completed', JSON.stringify(success)));
    await Promise.race([first, second]);
    await elsewhere;
    const pod = await objects.observe(
      pods,
      { labelSelector: 'app.kubernetes.io/component=mover' },
      found => [...found.values()].find(one => stringAt(one, 'status', 'phase') === 'Pending'),
      { timeoutMs: 20_000, signal: never },
    );
    await setPodStatus(api, pod ?? {}, ended(0, 'Completed', JSON.stringify(success)));
    expect(await Promise.all([first, second])).toEqual([success, success]);
  });

  it('end a mover that an earlier life of the service left in the repository', async () => {
    const { movers } = moversOn(api, { lockMs: 60_000 });
    const stopped = new AbortController();
    const dead = run(movers, task, stopped.signal).catch((thrown: unknown) => thrown);
    const left = await moverPod(objects);
    // As `kill -9` leaves it: nobody renews the lease, nobody removes the Job.
    const copy = JSON.parse((await api.get(jobs, 'holdfast', stringAt(left, 'metadata', 'labels', 'holdfast.dev/job') ?? '')) ?? '') as {
      spec: { template: { metadata: { labels: object }; spec: object } };
      metadata: { labels: object };
    };
    stopped.abort();
    await dead;
    await nothingRemains();
    const { template } = copy.spec;
    const labels = copy.metadata.labels;
    await objects.create(
      jobs,
      {
        metadata: { name: 'left-behind', namespace: 'holdfast', labels },
        spec: { template: { metadata: { labels }, spec: template.spec } },
      },
      never,
    );
    await moverPod(objects);

    const result = run(movers);
    const pod = await objects.observe(
      pods,
      { labelSelector: 'app.kubernetes.io/component=mover' },
      found => [...found.values()].find(one => !nameOf(one).startsWith('left-behind')),
      { timeoutMs: 30_000, signal: never },
    );
    expect(await objects.read(jobs, 'holdfast', 'left-behind', never)).toBeUndefined();
    await setPodStatus(api, pod ?? {}, ended(0, 'Completed', JSON.stringify(success)));
    expect(await result).toEqual(success);
  });

  it('that are aborted leave nothing, and give the repository back', async () => {
    const { movers } = moversOn(api);
    const stop = new AbortController();
    const result = run(movers, task, stop.signal);
    await moverPod(objects);
    stop.abort(new Error('enough'));
    await expect(result).rejects.toThrow('enough');
    await nothingRemains();
  });

  it('try once more after the node was drained, and then say both reasons', async () => {
    const { movers } = moversOn(api);
    const result = run(movers).catch((thrown: unknown) => thrown);
    const drained = (node: string) => ({
      ...ended(143, 'Error', ''),
      conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: `${node} is drained` }],
    });
    const first = await moverPod(objects);
    await setPodStatus(api, first, drained('n1'));
    const second = await objects.observe(
      pods,
      { labelSelector: 'app.kubernetes.io/component=mover' },
      found => [...found.values()].find(pod => nameOf(pod) !== nameOf(first)),
      { timeoutMs: 30_000, signal: never },
    );
    await setPodStatus(api, second ?? {}, drained('n2'));
    expect(await result).toMatchObject({
      code: 'MOVER_FAILED',
      message: expect.stringMatching(/n2 is drained; before that, .*n1 is drained/),
    });
  });

  it('that nobody schedules are given up, in the words of whoever holds them up', async () => {
    const { movers } = moversOn(api, { startMs: 2_000 });
    const result = run(movers).catch((thrown: unknown) => thrown);
    const message = '0/3 nodes are available: 3 Insufficient memory.';
    await setPodStatus(api, await moverPod(objects), {
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
    });
    expect(await result).toMatchObject({ code: 'MOVER_FAILED', message: expect.stringContaining(message) });
  });

  it('that a policy refuses say so, and do not wait for a pod that will never come', async () => {
    const label = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await objects.merge({ ...pods, resource: 'namespaces', namespaced: false }, '', 'agents', { metadata: { labels: label } }, never);
    const { movers } = moversOn(api);
    const result = await run(movers, { ...task, namespace: 'agents' }).catch((thrown: unknown) => thrown);
    expect(result).toMatchObject({ code: 'MOVER_FAILED', message: expect.stringMatching(/its pod was refused: .*violates PodSecurity/) });
  });

  it('are counted by what became of their work, whatever their pods came to', async () => {
    const registry = new Registry();
    const { movers } = moversOn(api, { observer: createVolumeMetrics(registry) });
    const failure = { ok: false, action: 'backup', code: 'volume-unreadable', message: 'a file cannot be read', durationMs: 4 };
    const drained = { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'drained' }] };
    const stop = new AbortController();
    const begin = () => run(movers, task, stop.signal).catch((thrown: unknown) => thrown);
    const answer = async (status: object) => setPodStatus(api, await moverPod(objects), status);

    for (const [status, code] of [
      [ended(0, 'Completed', 'it says nothing that is a result'), 'MOVER_FAILED'],
      [ended(0, 'Completed', JSON.stringify(failure)), 'VOLUME_UNREADABLE'],
      [ended(1, 'Error', JSON.stringify(failure)), 'VOLUME_UNREADABLE'],
    ] as const) {
      const result = begin();
      await answer(status);
      expect(await result).toMatchObject({ code });
      await nothingRemains();
    }
    const again = begin();
    const first = await moverPod(objects);
    await setPodStatus(api, first, { ...ended(143, 'Error', ''), ...drained });
    const second = await objects.observe(
      pods,
      { labelSelector: 'app.kubernetes.io/component=mover' },
      found => [...found.values()].find(pod => nameOf(pod) !== nameOf(first)),
      { timeoutMs: 30_000, signal: never },
    );
    await setPodStatus(api, second ?? {}, ended(0, 'Completed', JSON.stringify(success)));
    expect(await again).toEqual(success);
    await nothingRemains();
    const given = begin();
    await moverPod(objects);
    stop.abort(new Error('enough'));
    await given;

    const shown = await registry.metrics();
    const counts = moverOutcomes.map(result => {
      const line = new RegExp(`^holdfast_volume_movers_total\\{action="backup",result="${result}"\\} (.*)$`, 'm').exec(shown);
      return [result, Number(line?.[1])];
    });
    expect(Object.fromEntries(counts)).toEqual({ completed: 1, failed: 3, interrupted: 1, cancelled: 1 });
    expect(shown).toContain('holdfast_volume_movers_running{action="backup"} 0\n');
    expect(shown).toContain('holdfast_volume_processed_bytes_total{action="backup"} 9\n');
  });

  it('that do not end in time are ended', async () => {
    const { movers } = moversOn(api, { settings: { ...testVolumeSettings, mover: { ...testMover, timeoutMs: 1_500 } } });
    const result = run(movers).catch((thrown: unknown) => thrown);
    const running = { name: 'mover', ready: true, restartCount: 0, image: 'i', imageID: '', state: { running: {} } };
    await setPodStatus(api, await moverPod(objects), { phase: 'Running', containerStatuses: [running] });
    expect(await result).toMatchObject({ code: 'TIMEOUT' });
  });
});

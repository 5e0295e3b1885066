import { describe, expect, it } from 'vitest';
import { at, type JsonObject, stringAt } from '../../src/domain/json.ts';
import type { Runtime } from '../../src/domain/runtime.ts';
import { jobs, nodes, pods, secrets } from '../../src/volumes/kinds.ts';
import { createObjects } from '../../src/volumes/objects.ts';
import type { AccessIssuer } from '../../src/volumes/ports.ts';
import { ended, repository, success, task, withMoverWorld } from '../helpers/mover-world.ts';
import { kindOf } from '../helpers/restore.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { moverPod, moversOn, nameOf, never, setPodStatus, testMover, testVolumeSettings } from '../helpers/volumes.ts';
import { endsOfMovers } from './mover-ends.ts';

const priorityClasses = kindOf('priorityclasses.scheduling.k8s.io/v1 PriorityClass', false);

/** The control plane is real and has no node: the test speaks for the kubelet. */
describe('movers, on a control plane without nodes', () => {
  const world = withMoverWorld();

  it('run as a Job without rights, with its credentials in a Secret that belongs to it, and tell their result', async () => {
    const { api, objects, run } = world();
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
    // Nothing that could open a set: no identity, no key, no more volumes than these, no variables.
    expect(JSON.stringify(pod)).not.toMatch(/identity|age-secret-key|signing/i);
    expect((at(pod, 'spec', 'volumes') as JsonObject[]).map(volume => Object.keys(volume).find(key => key !== 'name'))).toEqual([
      ...['emptyDir', 'secret', 'persistentVolumeClaim'],
    ]);
    expect(at(container, 'env')).toBeUndefined();
    expect(at(container, 'envFrom')).toBeUndefined();

    const [secret] = await objects.list(secrets, { labelSelector: 'app.kubernetes.io/component=mover' }, never);
    const [job] = await objects.list(jobs, { namespace: 'holdfast' }, never);
    expect(Object.keys(at(secret, 'data') as JsonObject).sort()).toEqual([
      'access-key-id',
      'password',
      'secret-access-key',
      'session-token',
    ]);
    expect(stringAt(secret, 'data', 'password')).toBe(Buffer.from(repository.password).toString('base64'));
    expect(at(secret, 'metadata', 'ownerReferences')).toMatchObject([
      { kind: 'Job', name: nameOf(job), uid: stringAt(job, 'metadata', 'uid') },
    ]);
    expect(job?.['spec']).toMatchObject({ backoffLimit: 0, ttlSecondsAfterFinished: 600 });

    await setPodStatus(api, pod, ended(0, 'Completed', JSON.stringify(success)));
    expect(await result).toEqual(success);
    expect(warnings).toEqual([]);
  });

  it('ask for what the configuration says: resources, nodes, priority; and never two of one slot on a node', async () => {
    const { api, objects, run } = world();
    await objects.create(priorityClasses, { metadata: { name: 'movers' }, value: 1_000 }, never);
    const mover = {
      ...testMover,
      ...{ nodeSelector: { pool: 'backup', zone: 'a' }, priorityClassName: 'movers' },
      resources: { requests: { cpu: '150m', memory: '96Mi' }, limits: { memory: '1Gi' } },
    };
    const { movers } = moversOn(api, { settings: { ...testVolumeSettings, mover } });
    const result = run(movers);
    const pod = await moverPod(objects);
    expect(pod['spec']).toMatchObject({
      ...{ nodeSelector: { pool: 'backup', zone: 'a' }, priorityClassName: 'movers', priority: 1_000 },
      containers: [{ resources: mover.resources }],
    });
    const slot = stringAt(pod, 'metadata', 'labels', 'holdfast.dev/slot');
    expect(slot).toMatch(/^[0-9a-f]{8}-0$/);
    expect(at(pod, 'spec', 'affinity')).toEqual({
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          {
            labelSelector: {
              matchLabels: {
                ...{ 'app.kubernetes.io/name': 'holdfast', 'app.kubernetes.io/component': 'mover' },
                'holdfast.dev/slot': slot,
              },
            },
            ...{ namespaceSelector: {}, topologyKey: 'kubernetes.io/hostname' },
          },
        ],
      },
    });
    await setPodStatus(api, pod, ended(0, 'Completed', JSON.stringify(success)));
    expect(await result).toEqual(success);
  });

  it('get rights for as much as their work takes', async () => {
    const { api, run } = world();
    const asked: object[] = [];
    const access: AccessIssuer = {
      issue: (key, { signal: _, seconds: __, ...rights }) => {
        asked.push({ key, ...rights });
        return Promise.reject(new Error('no more is wanted'));
      },
    };
    for (const [role, made] of [
      ['backup', true],
      ['backup', false],
      ['upkeep', true],
      ['restore', true],
    ] as const) {
      const { movers } = moversOn(api, { access, isMade: () => Promise.resolve(made) });
      await expect(run(movers, { ...task, role })).rejects.toThrow('no more is wanted');
    }
    const { key } = repository;
    expect(asked).toEqual([
      { key, write: true, remove: ['locks/'] },
      { key, write: true, remove: ['locks/', 'keys/'] },
      { key, write: true, remove: [''] },
      { key, write: false },
    ]);
  });

  it('are no more at a time than the nodes that take them are to have', async () => {
    const { api, objects, run } = world();
    for (const [name, labels] of [
      ['backup-1', { pool: 'backup' }],
      ['apps-1', { pool: 'apps' }],
      ['apps-2', { pool: 'apps' }],
    ] as const) {
      await objects.create(nodes, { metadata: { name, labels } }, never);
      // New nodes are tainted until their kubelet speaks.
      await objects.merge(nodes, '', name, { spec: { taints: null } }, never);
    }
    let [working, most] = [0, 0];
    const observer = {
      moverBegan: () => {
        working += 1;
        most = Math.max(most, working);
      },
      moverEnded: () => {
        working -= 1;
      },
    };
    const settings = { ...testVolumeSettings, parallel: 9, parallelPerNode: 1, mover: { ...testMover, nodeSelector: { pool: 'backup' } } };
    const { movers } = moversOn(api, { settings, observer });
    const results = ['a', 'b', 'c'].map(claim =>
      run(movers, { ...task, subject: { namespace: 'agents', claim }, repository: { ...repository, key: `volumes/agents/${claim}/` } }),
    );
    const seen = new Set<string>();
    for (let done = 0; done < results.length; done += 1) {
      const pod = await objects.observe(
        pods,
        { labelSelector: 'app.kubernetes.io/component=mover' },
        found => [...found.values()].find(one => !seen.has(nameOf(one))),
        { timeoutMs: 60_000, signal: never },
      );
      seen.add(nameOf(pod));
      await setPodStatus(api, pod ?? {}, ended(0, 'Completed', JSON.stringify(success)));
    }
    expect(await Promise.all(results)).toEqual([success, success, success]);
    expect(most).toBe(1);
    for (const name of ['backup-1', 'apps-1', 'apps-2']) await objects.remove(nodes, '', name, never);
  });

  it('wait for a node that has no room for them yet for as long as a mover may work', async () => {
    const { api, objects, run } = world();
    const startMs = 5_000;
    let waits = 0;
    const runtime: Runtime = {
      ...testRuntime,
      sleep: (ms, signal) => {
        if (ms === startMs) waits += 1;
        return testRuntime.sleep(ms, signal);
      },
    };
    const { movers } = moversOn(api, { startMs, objects: createObjects(api, runtime) });
    const result = run(movers);
    const pod = await moverPod(objects);
    const message = "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.";
    await setPodStatus(api, pod, { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] });
    // For the pod to be there, for it to begin, and twice more.
    await expect.poll(() => waits, { timeout: 60_000, interval: 50 }).toBeGreaterThanOrEqual(4);
    await setPodStatus(api, pod, ended(0, 'Completed', JSON.stringify(success)));
    expect(await result).toEqual(success);
  });

  it('work one at a time in a repository, and side by side in two', async () => {
    const { api, objects, run } = world();
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
      { timeoutMs: 60_000, signal: never },
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
      { timeoutMs: 60_000, signal: never },
    );
    await setPodStatus(api, pod ?? {}, ended(0, 'Completed', JSON.stringify(success)));
    expect(await Promise.all([first, second])).toEqual([success, success]);
  });

  it('that restore wait for a backup of the repository, however long it takes, and say so', async () => {
    const { api, objects, run } = world();
    const { movers } = moversOn(api, { lockMs: 0 });
    const backup = run(movers);
    const pod = await moverPod(objects);
    await expect(run(movers)).rejects.toMatchObject({ code: 'MOVER_FAILED', message: expect.stringContaining('which works on the same') });
    const told: string[] = [];
    const restore = movers.run({ ...task, role: 'restore' }, { signal: never, progress: ({ detail }) => told.push(detail ?? '') });
    await expect.poll(() => told, { timeout: 60_000 }).toEqual([expect.stringMatching(/^waiting for .*, which works in the repository$/)]);
    await setPodStatus(api, pod, ended(0, 'Completed', JSON.stringify(success)));
    expect(await backup).toEqual(success);
    const next = await objects.observe(
      pods,
      { labelSelector: 'app.kubernetes.io/component=mover' },
      found => [...found.values()].find(one => nameOf(one) !== nameOf(pod)),
      { timeoutMs: 60_000, signal: never },
    );
    await setPodStatus(api, next ?? {}, ended(0, 'Completed', JSON.stringify(success)));
    expect(await restore).toEqual(success);
  });

  it('end a mover that an earlier life of the service left in the repository', async () => {
    const { api, objects, run, nothingRemains } = world();
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
      { timeoutMs: 60_000, signal: never },
    );
    expect(await objects.read(jobs, 'holdfast', 'left-behind', never)).toBeUndefined();
    await setPodStatus(api, pod ?? {}, ended(0, 'Completed', JSON.stringify(success)));
    expect(await result).toEqual(success);
  });

  endsOfMovers(world);
});

import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { at } from '../../src/domain/json.ts';
import { moverOutcomes } from '../../src/domain/mover.ts';
import { createVolumeMetrics } from '../../src/observe/volume-metrics.ts';
import { pods } from '../../src/volumes/kinds.ts';
import { ended, type MoverWorld, success, task } from '../helpers/mover-world.ts';
import { moverPod, moversOn, nameOf, never, setPodStatus, testMover, testVolumeSettings } from '../helpers/volumes.ts';

/** What becomes of movers that do not come to a good end, for the cluster of movers.test.ts. */
export function endsOfMovers(world: () => MoverWorld): void {
  it('that are aborted leave nothing, and give the repository back', async () => {
    const { api, objects, run, nothingRemains } = world();
    const { movers } = moversOn(api);
    const stop = new AbortController();
    const result = run(movers, task, stop.signal);
    await moverPod(objects);
    stop.abort(new Error('enough'));
    await expect(result).rejects.toThrow('enough');
    await nothingRemains();
  });

  it('try once more after the node was drained, and then say both reasons', async () => {
    const { api, objects, run, bindTo } = world();
    const { movers } = moversOn(api);
    const result = run(movers).catch((thrown: unknown) => thrown);
    const drained = (node: string) => ({
      ...ended(143, 'Error', ''),
      conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: `${node} is drained` }],
    });
    const first = await moverPod(objects);
    await bindTo('n1', first);
    await setPodStatus(api, first, drained('n1'));
    const second = await objects.observe(
      pods,
      { labelSelector: 'app.kubernetes.io/component=mover' },
      found => [...found.values()].find(pod => nameOf(pod) !== nameOf(first)),
      { timeoutMs: 60_000, signal: never },
    );
    await setPodStatus(api, second ?? {}, drained('n2'));
    const there = { key: 'metadata.name', operator: 'NotIn', values: ['n1'] };
    expect(at(first, 'spec', 'affinity', 'nodeAffinity')).toBeUndefined();
    expect(at(second, 'spec', 'affinity', 'nodeAffinity')).toEqual({
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchFields: [there] } }],
    });
    expect(await result).toMatchObject({
      code: 'MOVER_FAILED',
      message: expect.stringMatching(/n2 is drained; before that, .*n1 is drained/),
    });
  });

  it('that nobody schedules are given up, in the words of whoever holds them up', async () => {
    const { api, objects, run } = world();
    const { movers } = moversOn(api, { startMs: 8_000 });
    const result = run(movers).catch((thrown: unknown) => thrown);
    const message = '0/3 nodes are available: 3 Insufficient memory.';
    await setPodStatus(api, await moverPod(objects), {
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
    });
    expect(await result).toMatchObject({ code: 'MOVER_FAILED', message: expect.stringContaining(message) });
  });

  it('that a policy refuses say so, and do not wait for a pod that will never come', async () => {
    const { api, objects, run } = world();
    const label = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await objects.merge({ ...pods, resource: 'namespaces', namespaced: false }, '', 'agents', { metadata: { labels: label } }, never);
    const { movers } = moversOn(api);
    const result = await run(movers, { ...task, namespace: 'agents' }).catch((thrown: unknown) => thrown);
    expect(result).toMatchObject({ code: 'MOVER_FAILED', message: expect.stringMatching(/its pod was refused: .*violates PodSecurity/) });
  });

  it('are counted by what became of their work, whatever their pods came to', async () => {
    const { api, objects, run, nothingRemains } = world();
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
      { timeoutMs: 60_000, signal: never },
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
    const { api, objects, run } = world();
    const { movers } = moversOn(api, { settings: { ...testVolumeSettings, mover: { ...testMover, timeoutMs: 1_500 } } });
    const result = run(movers).catch((thrown: unknown) => thrown);
    const running = { name: 'mover', ready: true, restartCount: 0, image: 'i', imageID: '', state: { running: {} } };
    await setPodStatus(api, await moverPod(objects), { phase: 'Running', containerStatuses: [running] });
    expect(await result).toMatchObject({ code: 'TIMEOUT' });
  });
}

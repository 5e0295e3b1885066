import { beforeAll, expect, test } from 'vitest';
import { at, stringAt } from '../../src/domain/json.ts';
import { quantityBytes } from '../../src/domain/quantity.ts';
import type { RestoreOptions } from '../../src/domain/restore-plan.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { everything } from '../../src/domain/selection.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { planRestore } from '../../src/restore/plan.ts';
import { runRestore } from '../../src/restore/run.ts';
import { restoreClaim } from '../../src/restore/volumes/restore-claim.ts';
import { claims, namespaces } from '../../src/volumes/kinds.ts';
import { runPod } from '../cluster/pods.ts';
import { describeCaptures } from '../helpers/captures.ts';
import { reader } from '../helpers/journey.ts';
import { compareWith, failures } from '../helpers/restore.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { never } from '../helpers/volumes.ts';

const selection = { ...everything, includeNamespaces: ['sizes'] };
const hash = 'cd /data && find . -type f | sort | xargs sha256sum';

describeCaptures('claims that come back in another size', ({ cluster, world, withClaims }) => {
  let set: SetReader;
  let before: string;

  const inPod = async (namespace: string, name = 'data'): Promise<string> => {
    const { exitCode, log } = await runPod(cluster(), { namespace, name: 'shell', command: hash, claims: { '/data': name } });
    expect(exitCode, log).toBe(0);
    return log;
  };
  const input = (target: string, size: string) => ({
    ...{ reader: set, cluster: world().api, runtime: testRuntime, progress: noProgress, signal: AbortSignal.timeout(240_000) },
    volumes: { ...world().tools(), identities: [world().location.identity] },
    options: {
      ...{ selection, namespaceMapping: { sizes: target }, existing: 'skip', volumeSizes: { 'sizes/data': size } },
    } satisfies RestoreOptions,
  });
  const sizesOf = async (namespace: string, name = 'data') => {
    const claim = await world().objects.read(claims, namespace, name, never);
    const capacity = quantityBytes(stringAt(claim, 'status', 'capacity', 'storage') ?? '');
    return { asked: at(claim, 'spec', 'resources', 'requests', 'storage'), capacity };
  };

  // The claims of the tests' own helper ask for 1Gi.
  beforeAll(async () => {
    await withClaims('sizes', ['data'], 'head -c 3000000 /dev/urandom > /data/random');
    before = await inPod('sizes');
    const outcome = await world().backUp('sizes', { snapshots: true, data: true });
    if (outcome.phase === 'Failed') throw new Error(outcome.error.message);
    set = await reader(world().location, outcome.manifest.id);
  }, 400_000);

  test('have more room where more is asked for, out of the snapshot too', async () => {
    const outcome = await runRestore(input('larger', '2Gi'));
    expect(outcome.problems).toEqual([]);
    expect(outcome.volumes).toMatchObject([{ state: 'filled', source: 'snapshot' }]);
    expect(await sizesOf('larger')).toEqual({ asked: '2Gi', capacity: 2 * 2 ** 30 });
    expect(await inPod('larger')).toBe(before);
    const mapped = { selection, namespaceMapping: { sizes: 'larger' } };
    expect(failures(await compareWith(set, world().api, { ...mapped, volumeSizes: { 'sizes/data': '2Gi' } }))).toEqual([]);
    expect(failures(await compareWith(set, world().api, mapped)), 'and a validation that is not told finds it').not.toEqual([]);
  });

  test('are smaller where the data has room, which then comes from the repository', async () => {
    const outcome = await runRestore(input('smaller', '64Mi'));
    expect(outcome.problems).toEqual([]);
    expect(outcome.volumes).toMatchObject([{ state: 'filled', source: 'repository' }]);
    expect(await sizesOf('smaller')).toEqual({ asked: '64Mi', capacity: 64 * 2 ** 20 });
    expect(await inPod('smaller')).toBe(before);
  });

  test('are refused before anything is written where the data has no room, with both numbers', async () => {
    const message = 'persistentvolumeclaims sizes/data shall have 2097152 bytes (2Mi), and its data takes 3000000';
    await expect(planRestore(input('tiny', '2Mi'))).rejects.toMatchObject({ code: 'VOLUME_FULL', message });
    await expect(runRestore(input('tiny', '2Mi'))).rejects.toMatchObject({ code: 'VOLUME_FULL', message });
    expect(await world().objects.read(namespaces, '', 'tiny', never)).toBeUndefined();
  });

  test('are one claim, too', async () => {
    const bringBack = (size: string) =>
      restoreClaim({
        ...{ reader: set, cluster: world().api, runtime: testRuntime, progress: noProgress, signal: AbortSignal.timeout(170_000) },
        tools: { ...world().tools(), identities: [world().location.identity] },
        request: {
          ...{ from: { namespace: 'sizes', claim: 'data' }, to: { namespace: 'sizes', claim: 'copy' }, inPlace: false, include: [] },
          ...{ deleteOthers: false, scaleDown: false, storageClasses: {}, size },
        },
      });
    await expect(bringBack('1Mi')).rejects.toMatchObject({ code: 'VOLUME_FULL' });
    expect(await bringBack('3Gi')).toMatchObject({ state: 'filled' });
    expect(await sizesOf('sizes', 'copy')).toEqual({ asked: '3Gi', capacity: 3 * 2 ** 30 });
    expect(await inPod('sizes', 'copy')).toBe(before);
  });
});

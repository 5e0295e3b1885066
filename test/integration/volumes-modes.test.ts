import { expect, test } from 'vitest';
import { at, stringAt } from '../../src/domain/json.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import type { SetReader } from '../../src/repository/set-reader.ts';
import { restoreClaim } from '../../src/restore/volumes/restore-claim.ts';
import { claims, pods, volumeSnapshots } from '../../src/volumes/kinds.ts';
import { createClaim, exec, startPod } from '../cluster/pods.ts';
import { waitFor } from '../cluster/wait.ts';
import { describeCaptures } from '../helpers/captures.ts';
import { reader } from '../helpers/journey.ts';
import { testRuntime } from '../helpers/runtime.ts';
import { makeNamespace, nameOf, never } from '../helpers/volumes.ts';

const modes = { own: 'ReadWriteOncePod', shared: 'ReadWriteMany' } as const;
/** Pods by claim. */
const users = { own: ['alone'], shared: ['first', 'second'] } as const;
const claimNames = ['own', 'shared'] as const;
const hash = ['sh', '-c', 'cd /data && find . -type f | sort | xargs sha256sum'];

describeCaptures('volumes that several pods use, or one alone', ({ cluster, world }) => {
  /** Pods that use the claims of a namespace, each of which runs the command first. */
  const startUsers = async (namespace: string, command: string): Promise<void> => {
    for (const claim of claimNames) {
      for (const name of users[claim]) {
        await startPod(cluster(), { namespace, name, command: `${command}; touch /tmp/done; sleep 10000`, claims: { '/data': claim } });
        const done = async () => (await exec(cluster(), { namespace, name }, ['test', '-e', '/tmp/done'])).exitCode === 0;
        await waitFor(`${namespace}/${name} has run`, done, { timeoutMs: 60_000, intervalMs: 200 });
      }
    }
  };
  /** As each pod sees it. */
  const hashes = async (namespace: string): Promise<Record<string, string>> => {
    const seen: Record<string, string> = {};
    for (const name of claimNames.flatMap(claim => users[claim])) {
      const { exitCode, stdout, stderr } = await exec(cluster(), { namespace, name }, hash);
      expect(exitCode, stderr).toBe(0);
      seen[name] = stdout;
    }
    return seen;
  };
  const bringBack = (from: SetReader, namespace: string, claim: string) =>
    restoreClaim({
      ...{ reader: from, cluster: world().api, runtime: testRuntime, progress: noProgress, signal: AbortSignal.timeout(170_000) },
      tools: { ...world().tools(), identities: [world().location.identity] },
      request: {
        ...{ from: { namespace: 'agents', claim }, to: { namespace, claim }, inPlace: false, include: [], deleteOthers: false },
        ...{ scaleDown: false, storageClasses: {} },
      },
    });

  const noSnapshots = async () => (await world().objects.list(volumeSnapshots, {}, never)).length === 0;

  test('are captured while those use them, and come back from snapshot and repository as they were', async () => {
    const { objects, location } = world();
    for (const name of ['agents', 'near', 'far']) await makeNamespace(objects, name);
    for (const name of claimNames) await createClaim(cluster(), { namespace: 'agents', name, size: '32Mi', accessMode: modes[name] });
    await startUsers('agents', 'head -c 1000000 /dev/urandom > /data/$HOSTNAME; sync');
    const before = await hashes('agents');
    expect(before['first']).toBe(before['second']);
    expect(before['first']?.trim().split('\n')).toHaveLength(2);

    const outcome = await world().backUp('agents', { snapshots: true, data: true });
    if (outcome.phase !== 'Completed') throw new Error(JSON.stringify(outcome));
    expect(outcome.manifest.volumes).toMatchObject(
      claimNames.map(claim => ({ claim, state: 'captured', reason: '', accessModes: [modes[claim]], data: { source: 'snapshot' } })),
    );
    for (const pod of await objects.list(pods, { namespace: 'agents' }, never)) expect(stringAt(pod, 'status', 'phase')).toBe('Running');

    const set = await reader(location, outcome.manifest.id);
    for (const [namespace, source] of [
      ['near', 'snapshot'],
      ['far', 'repository'],
    ] as const) {
      const restored = await Promise.all(claimNames.map(claim => bringBack(set, namespace, claim)));
      expect(restored).toMatchObject(claimNames.map(() => ({ state: 'filled', source })));
      await startUsers(namespace, 'true');
      expect(await hashes(namespace)).toEqual(before);
      for (const name of claimNames) {
        expect(at(await objects.read(claims, namespace, name, never), 'spec', 'accessModes')).toEqual([modes[name]]);
      }
      for (const one of await objects.list(volumeSnapshots, { namespace: 'holdfast' }, never)) {
        await objects.remove(volumeSnapshots, 'holdfast', nameOf(one), never);
      }
      await waitFor('the snapshots are gone', noSnapshots, { timeoutMs: 60_000, intervalMs: 200 });
    }
  });
});

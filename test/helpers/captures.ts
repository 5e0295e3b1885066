import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { BackupOutcome, Manifest } from '../../src/domain/backup-set.ts';
import type { ClusterWithNode } from '../cluster/cluster.ts';
import { createClaim, runPod } from '../cluster/pods.ts';
import { describeOnNode } from '../cluster/with-node.ts';
import { type CaptureWorld, openCaptureWorld, type WorldOptions } from './capture-world.ts';
import { makeNamespace } from './volumes.ts';

/** Of a backup that has made a set. */
export function manifestOf(outcome: BackupOutcome): Manifest {
  if (outcome.phase === 'Failed') throw new Error(`the backup failed: ${outcome.error.message}`);
  return outcome.manifest;
}

/** To be called inside tests. */
export interface Captures {
  readonly cluster: () => ClusterWithNode;
  readonly world: () => CaptureWorld;
  /** Waits until no run has anything in the cluster but snapshots that are meant to stay. */
  clean(): Promise<void>;
  /** A namespace with claims, one of the name `data` unless told, each with what the command makes in `/data`: a file. */
  withClaims(namespace: string, names?: readonly string[], command?: string): Promise<void>;
}

/**
 * A `describe` for tests that capture volumes on a real node. After each of them the driver has no faults any more, nothing is left behind, and
 * nobody was warned of anything.
 */
export function describeCaptures(name: string, tests: (captures: Captures) => void, options: WorldOptions = {}): void {
  describeOnNode(name, cluster => {
    let opened: CaptureWorld | undefined;
    const world = (): CaptureWorld => {
      if (opened === undefined) throw new Error('the world is there only while tests run');
      return opened;
    };
    const clean = () => expect.poll(async () => (await world().remains()).left, { timeout: 90_000, interval: 200 }).toEqual([]);
    beforeAll(async () => {
      opened = await openCaptureWorld(cluster(), options);
    });
    afterAll(() => opened?.close());
    afterEach(async () => {
      await cluster().node.csi.setFaults({});
      await clean();
      expect(world().warnings.splice(0)).toEqual([]);
    });
    const withClaims = async (namespace: string, names: readonly string[] = ['data'], command = 'echo content > /data/file') => {
      await makeNamespace(world().objects, namespace);
      await Promise.all(
        names.map(async name => {
          await createClaim(cluster(), { namespace, name });
          const filled = await runPod(cluster(), { namespace, name: `fills-${name}`, command, claims: { '/data': name } });
          expect(filled.exitCode, filled.log).toBe(0);
        }),
      );
    };
    tests({ cluster, world, clean, withClaims });
  });
}

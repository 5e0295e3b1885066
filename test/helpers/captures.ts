import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { VolumeWish } from '../../src/backup/volumes/capture.ts';
import type { BackupOutcome, Manifest } from '../../src/domain/backup-set.ts';
import { at } from '../../src/domain/json.ts';
import type { VolumeRecord } from '../../src/domain/volume.ts';
import { volumeSnapshots } from '../../src/volumes/kinds.ts';
import type { ClusterWithNode } from '../cluster/cluster.ts';
import type { CsiFaults } from '../cluster/csi.ts';
import { createClaim, runPod } from '../cluster/pods.ts';
import { describeOnNodeWithImage } from '../cluster/with-node.ts';
import { type CaptureOptions, type CaptureWorld, openCaptureWorld, type WorldOptions } from './capture-world.ts';
import { makeNamespace, never } from './volumes.ts';

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
  /**
   * A set of the claims `bad` and `good`: PartiallyFailed for `bad` alone, which has failed so, with all that was wished of `good` in it; and
   * nothing is left behind once `mend` has run, which ends the faults of the driver unless told.
   */
  partly(
    namespace: string,
    wish: VolumeWish,
    bad: object,
    options?: CaptureOptions & { readonly mend?: () => Promise<unknown> },
  ): Promise<Manifest>;
  /** The next set of the same claims: Completed, with all that was wished of both. */
  whole(namespace: string, wish: VolumeWish, faults?: CsiFaults): Promise<Manifest>;
}

/** What `withClaims` writes unless told. */
const content = 'content\n';

/**
 * A `describe` for tests that capture volumes on a real node. After each of them the driver has no faults any more, nothing is left behind, and
 * nobody was warned of anything.
 */
export function describeCaptures(name: string, tests: (captures: Captures) => void, options: WorldOptions = {}): void {
  describeOnNodeWithImage(name, cluster => {
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
    /** A claim of `withClaims` is in the set as was wished: in the storage, and in the repository byte for byte. */
    const inSet = async (record: VolumeRecord | undefined, wish: VolumeWish) => {
      if (record === undefined) throw new Error('there is no record of it');
      expect(record).toMatchObject({ state: 'captured', reason: '' });
      if (wish.data) expect(`${await world().stored(record, 'data/file')}`).toBe(content);
      const { kept, handle = '' } = record.snapshot ?? {};
      expect(kept !== undefined).toBe(wish.snapshots);
      if (kept === undefined) return;
      expect(at(await world().objects.read(volumeSnapshots, kept.namespace, kept.name, never), 'status', 'readyToUse')).toBe(true);
      expect(await readFile(join(cluster().node.csi.dataDir, 'snapshots', handle, 'content', 'file'), 'utf8')).toBe(content);
    };
    const partly: Captures['partly'] = async (namespace, wish, bad, { mend, ...options } = {}) => {
      const manifest = manifestOf(await world().backUp(namespace, wish, options));
      const records = byClaim(manifest);
      expect(records).toMatchObject([{ claim: 'bad', state: 'failed', ...bad }, { claim: 'good' }]);
      const [first, second] = records;
      await inSet(second, wish);
      expect(first).not.toHaveProperty('data');
      const problem = { item: `persistentvolumeclaims ${namespace}/bad`, code: first?.code, message: first?.reason };
      expect(manifest).toMatchObject({ phase: 'PartiallyFailed', problems: [problem] });
      await (mend?.() ?? cluster().node.csi.setFaults({}));
      await clean();
      return manifest;
    };
    const whole: Captures['whole'] = async (namespace, wish, faults = {}) => {
      await cluster().node.csi.setFaults(faults);
      const manifest = manifestOf(await world().backUp(namespace, wish));
      expect(manifest).toMatchObject({ phase: 'Completed', problems: [] });
      expect(byClaim(manifest)).toMatchObject([{ claim: 'bad' }, { claim: 'good' }]);
      for (const record of manifest.volumes) await inSet(record, wish);
      return manifest;
    };
    tests({ cluster, world, clean, withClaims, partly, whole });
  });
}

function byClaim({ volumes }: Manifest): VolumeRecord[] {
  return volumes.toSorted((a, b) => (a.claim < b.claim ? -1 : 1));
}

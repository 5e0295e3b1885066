import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The files that take longest, in the order in which they are begun: none of them is left alone at the end. Those that wait for a node come in turn
 * with those that compute, so that there is always something for the processor to do.
 */
export const slowFiles: readonly string[] = [
  'integration/volumes-service.test.ts',
  'integration/demo.test.ts',
  'integration/volumes-outage.test.ts',
  'integration/serve-outage.test.ts',
  'integration/simulated-year.test.ts',
  'integration/serve.test.ts',
  'integration/volumes-faults.test.ts',
  'integration/serve-fuzz.test.ts',
  'integration/volumes-cli.test.ts',
  'integration/mover-crash.test.ts',
  'integration/mover-files.test.ts',
  'integration/cli-server.test.ts',
  'integration/two-clusters.test.ts',
  'integration/volumes-frozen.test.ts',
  'integration/serve-takeover.test.ts',
  'integration/demand-paused.test.ts',
  'integration/volumes-disaster.test.ts',
  'integration/deploy-manifests.test.ts',
  'integration/restore-choices.test.ts',
  'integration/volumes-faults-movers.test.ts',
  'integration/instant.test.ts',
  'integration/serve-cluster-away.test.ts',
  'integration/serve-faults.test.ts',
  'integration/serve-store-away.test.ts',
  'integration/deploy-volumes.test.ts',
  'contract/object-store.test.ts',
  'contract/cluster-api-restart.test.ts',
  'integration/leader.test.ts',
  'integration/serve-reload.test.ts',
  'integration/round-trip.test.ts',
  'integration/volumes-journey.test.ts',
  'integration/mover-faults.test.ts',
  'integration/api-fuzz.test.ts',
  'integration/volumes-static.test.ts',
  'integration/mover-store.test.ts',
  'integration/backup-faults.test.ts',
  'cluster/node.test.ts',
  'integration/serve-paused-restore.test.ts',
  'integration/serve-uses.test.ts',
  'integration/argo-recovery.test.ts',
  'integration/volumes-capture.test.ts',
  'integration/api-auth.test.ts',
  'integration/platform.test.ts',
  'integration/restore-tenant.test.ts',
  'integration/volumes-sizes.test.ts',
  'integration/movers.test.ts',
  'integration/volumes-modes.test.ts',
  'integration/restore-interrupted.test.ts',
  'integration/volumes-restore.test.ts',
];

/** Where no run has left its times, Vitest goes by the sizes of files, and one that is short and slow would come last. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = slowFiles.indexOf(relative(import.meta.dirname, moduleId));
      return place < 0 ? slowFiles.length : place;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

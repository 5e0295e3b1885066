import type { OwnObject } from '../domain/volume-upkeep.ts';

export interface OrphanKnowledge {
  /** Kept snapshots, `<namespace>/<name>`, that sets name. */
  readonly keptSnapshots: ReadonlySet<string>;
  /** Was every set read? */
  readonly whole: boolean;
  /** All objects of ours, so that what belongs together goes together: `<kind> <namespace>/<name>`. */
  readonly boundTo: ReadonlyMap<string, string>;
  readonly now: Date;
  /** Younger ones may still be worked with. */
  readonly olderThanMs: number;
}

export const snapshotName = 'volumesnapshots.snapshot.storage.k8s.io';
export const contentName = 'volumesnapshotcontents.snapshot.storage.k8s.io';

/** Pure: why an object is left over, or undefined where it is not. In doubt it is not. */
export function orphanReason(object: OwnObject, known: OrphanKnowledge): string | undefined {
  const age = known.now.getTime() - object.createdAt.getTime();
  if (age < known.olderThanMs || object.inUse || object.role === 'repository') return undefined;
  switch (object.kind) {
    case snapshotName:
      if (known.keptSnapshots.has(`${object.namespace}/${object.name}`) || !known.whole) return undefined;
      return 'a snapshot that no set names';
    case contentName: {
      const snapshot = known.boundTo.get(object.name);
      return snapshot === undefined ? 'the content of a snapshot that is gone' : undefined;
    }
    case 'configmaps':
      return object.role === 'scaled'
        ? 'the note of workloads that a restore has scaled down and never up again'
        : 'the note of a pod that a backup has frozen and never thawed';
    case 'persistentvolumes':
      return 'filled by a restore that was never finished';
    case 'persistentvolumeclaims':
      return `a temporary claim of ${doing(object.role)} that has ended`;
    case 'jobs.batch':
      return `a mover of ${doing(object.role)} that has ended`;
    case 'secrets':
      return `credentials of ${doing(object.role)} that has ended`;
    default:
      return undefined;
  }
}

function doing(role: string): string {
  return role === 'restore' ? 'a restore' : role === 'upkeep' ? 'an upkeep' : 'a backup';
}

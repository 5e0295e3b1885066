import type { ErrorKind } from './errors.ts';

type ExitCodes = typeof import('./errors.ts').exitCodes;

/** What can go wrong with one volume; each is the reason of an item, and other volumes go on. */
export function volumeErrors(exit: ExitCodes) {
  return {
    SNAPSHOT_CLASS_MISSING: {
      status: 422,
      exit: exit.partial,
      retryable: false,
      hint: 'create a VolumeSnapshotClass for the named driver and mark one as default, name one under volumes.snapshotClasses, or annotate the claim',
    },
    SNAPSHOT_FAILED: {
      status: 502,
      exit: exit.partial,
      retryable: true,
      hint: 'the storage driver’s own words are in the message; look at its logs and at kubectl describe volumesnapshot',
    },
    SNAPSHOT_TIMEOUT: {
      status: 504,
      exit: exit.partial,
      retryable: true,
      hint: 'check that the snapshot controller, the csi-snapshotter and the driver run, or raise volumes.snapshotTimeout',
    },
    VOLUME_HOOK_FAILED: {
      status: 422,
      exit: exit.partial,
      retryable: true,
      hint: 'correct the hook in the pod’s annotations or the configuration’s hooks; what may still be frozen is named, and is thawed by the next backup or holdfast volumes orphans --yes',
    },
    VOLUME_UNSUPPORTED: {
      status: 422,
      exit: exit.partial,
      retryable: false,
      hint: 'use a storage class whose CSI driver takes snapshots, or annotate the claim with backup.holdfast.dev/method: live',
    },
    VOLUME_GONE: { status: 404, exit: exit.partial, retryable: false, hint: 'the claim was deleted meanwhile; back up again' },
    VOLUME_UNREADABLE: {
      status: 422,
      exit: exit.partial,
      retryable: true,
      hint: 'check the file system of the volume; what could not be read or written is named',
    },
    VOLUME_FULL: { status: 507, exit: exit.partial, retryable: false, hint: 'restore into a claim that requests at least the size named' },
    VOLUME_IN_USE: {
      status: 409,
      exit: exit.partial,
      retryable: true,
      hint: 'scale down the workloads that use the claim (the pods are named), then restore again',
    },
    VOLUME_MODE_MISMATCH: {
      status: 422,
      exit: exit.partial,
      retryable: false,
      hint: 'restore a block volume into a claim of volumeMode Block, and files into one of Filesystem',
    },
    VOLUME_PASSWORD_WRONG: {
      status: 403,
      exit: exit.wrongKey,
      retryable: false,
      hint: 'the Secret with the password of the claim’s repository was altered: delete it, so that restores take password.age with an identity, and the next backup begins another repository beside this one',
    },
    VOLUME_DATA_DAMAGED: {
      status: 422,
      exit: exit.verification,
      retryable: false,
      hint: 'use an older set or a copy of the repository, and repair this one with restic repair',
    },
    VOLUME_DATA_MISSING: {
      status: 422,
      exit: exit.partial,
      retryable: false,
      hint: 'use a set that has the claim’s data in the repository, or create the claim empty with --volumes none',
    },
    MOVER_FAILED: {
      status: 502,
      exit: exit.partial,
      retryable: true,
      hint: 'look at the reason named; limits and nodes of movers are set under volumes.mover',
    },
  } as const satisfies Record<string, ErrorKind>;
}

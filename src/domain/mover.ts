import type { VolumeMode } from './volume.ts';

// What the service and its mover pods say to each other. The request is an argument and holds no secret; the result is the pod's termination message.

/** How restic works, by measurement unless told. */
export interface ResticTuning {
  readonly compression: 'off' | 'fastest' | 'auto' | 'better' | 'max';
  /** Connections to the store. */
  readonly connections: number;
  /** Files read at once. */
  readonly readConcurrency: number;
  /** MiB. */
  readonly packSize: number;
}

interface Common {
  /** As `restic -r` takes it: `s3:http://minio:9000/bucket/prefix/volumes/agents/workspace`. */
  readonly repository: string;
  /** Further options of every restic call, such as `s3.bucket-lookup=path`. */
  readonly options: readonly string[];
  readonly tuning: ResticTuning;
}

/** What a pod is to do. The volume is mounted at, or as a device is, `path`. */
export type MoverRequest =
  | (Common & {
      readonly action: 'backup';
      readonly mode: VolumeMode;
      readonly path: string;
      /** `host` and path of the restic snapshot, so that the next one finds it as its parent. */
      readonly host: string;
      readonly tags: readonly string[];
      /** RFC 3339: the time of the restic snapshot. */
      readonly time: string;
      /** It is the volume itself and no copy: inodes and times of status tell as well whether a file has changed. */
      readonly live?: boolean;
    })
  | (Common & {
      readonly action: 'restore';
      readonly mode: VolumeMode;
      readonly path: string;
      readonly snapshot: string;
      /** Only these files and folders, absolute within the volume (`/src/main.ts`); everything when empty. */
      readonly include: readonly string[];
      /** Remove what the snapshot does not have; only where everything is restored. */
      readonly deleteOthers: boolean;
      /** Write nothing where there are files already, other than those of an earlier try. */
      readonly onlyEmpty?: boolean;
    })
  | (Common & { readonly action: 'forget'; readonly snapshots: readonly string[]; readonly prune: boolean })
  /** `subset` as `--read-data-subset` takes it, `3/12`; only structure without it. */
  | (Common & { readonly action: 'check'; readonly subset?: string })
  /** Does nothing: is the first consumer of a claim that waits for one. */
  | { readonly action: 'bind' };

export type MoverAction = MoverRequest['action'];

/** The last thing that a mover says, at most 4,096 bytes of JSON. */
export type MoverResult =
  | {
      readonly ok: true;
      readonly action: MoverAction;
      /** Of backup: the restic snapshot. */
      readonly snapshot?: string;
      /** Of backup: files. Of restore: all that is as in the snapshot now, folders and links too. */
      readonly files?: number;
      readonly bytes?: number;
      readonly addedBytes?: number;
      /** Of restore: there were files already, and nothing was written. */
      readonly occupied?: true;
      readonly durationMs: number;
    }
  | {
      readonly ok: false;
      readonly action: MoverAction;
      readonly code: MoverFailure;
      /** In restic's own words where it gave some; never a secret. */
      readonly message: string;
      readonly durationMs: number;
    };

/**
 * What became of the work that a pod was given, by its own result: that its process has ended says nothing. `interrupted`: the cluster or somebody
 * ended it, and another try has a chance; `cancelled`: it was given up from here.
 */
export const moverOutcomes = ['completed', 'failed', 'interrupted', 'cancelled'] as const;
export type MoverOutcome = (typeof moverOutcomes)[number];

/** What one pod of a mover came to. */
export interface MoverMeasure {
  readonly action: MoverAction;
  readonly result: MoverOutcome;
  /** From the making of its Job to its end. */
  readonly seconds: number;
  /** Of the data; 0 where it moved none. */
  readonly bytes: number;
  /** New to the repository, after compression. */
  readonly addedBytes: number;
}

export const moverFailures = [
  /** Some files could not be read or written; the restic snapshot is not used. */
  'incomplete',
  'store-unreachable',
  'store-forbidden',
  'wrong-password',
  'repository-damaged',
  'snapshot-missing',
  'volume-full',
  'volume-unreadable',
  'locked',
  'interrupted',
  'failed',
] as const;
export type MoverFailure = (typeof moverFailures)[number];

/** One line of a mover's standard output, JSON. */
export interface MoverProgress {
  readonly progress: { readonly files: number; readonly bytes: number; readonly totalBytes: number };
}

/** Where the pod finds its secrets, each a file of this folder; none is an argument or in the environment of the container. */
export const moverSecrets = {
  dir: '/var/run/holdfast/secrets',
  password: 'password',
  accessKeyId: 'access-key-id',
  secretAccessKey: 'secret-access-key',
  sessionToken: 'session-token',
  /** PEM; absent where the system's authorities will do. */
  ca: 'ca.crt',
} as const;

/** Where the kubelet reads the result. */
export const terminationLog = '/dev/termination-log';

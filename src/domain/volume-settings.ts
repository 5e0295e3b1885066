import type { HookRule } from './hook-rule.ts';
import type { ResticTuning } from './mover.ts';

/** The pod of a mover, as the configuration wants it. */
export interface MoverPod {
  /** Image with Holdfast and restic; that of the pod which the service runs in unless told. */
  readonly image?: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  /** As a container has it: `{"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}`. */
  readonly resources: { readonly requests?: Readonly<Record<string, string>>; readonly limits?: Readonly<Record<string, string>> };
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly priorityClassName?: string;
  /** Milliseconds after which a mover is given up. */
  readonly timeoutMs: number;
}

/** How volumes are captured and brought back, with every default filled in. */
export interface VolumeSettings {
  /** Where movers run and what they need lies: the service's own namespace. */
  readonly namespace: string;
  readonly mover: MoverPod;
  readonly tuning: ResticTuning;
  /** Movers at a time: in all, and on one node. */
  readonly parallel: number;
  readonly parallelPerNode: number;
  /** Snapshots at a time. */
  readonly parallelSnapshots: number;
  /** A snapshot that is not ready by then has failed, milliseconds. */
  readonly snapshotTimeoutMs: number;
  /** VolumeSnapshotClass by CSI driver, where the default one will not do. */
  readonly snapshotClasses: Readonly<Record<string, string>>;
  /** The newest so many snapshots of each claim stay in the cluster. */
  readonly keepSnapshots: number;
  /** StorageClass of restored claims, by that of the set. */
  readonly storageClasses: Readonly<Record<string, string>>;
  /** Read a claim that cannot be snapshotted while it is in use; otherwise that is a failure. */
  readonly liveFallback: boolean;
  /** Bound of a hook that does not say, milliseconds. */
  readonly hookTimeoutMs: number;
  /** For pods without hooks in their annotations; the first that chooses a pod holds. */
  readonly hooks?: readonly HookRule[];
}

/** Chosen by measurement: docs/adr/0004-restic.md. */
export const defaultTuning: ResticTuning = { compression: 'fastest', connections: 16, readConcurrency: 8, packSize: 16 };

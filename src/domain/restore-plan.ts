import type { ErrorCode } from './errors.ts';
import type { Selection } from './selection.ts';
import type { PlannedVolume, VolumeOutcome } from './volume-restore.ts';
import type { VolumeSizes } from './volume-sizes.ts';

/** What happens to an object that is already on the target and differs from the set's. Equal objects are never written. */
export type ExistingPolicy = 'skip' | 'update' | 'recreate';

export interface RestoreOptions {
  readonly selection: Selection;
  /** Namespace in the set to namespace on the target; a namespace that is not named keeps its name. */
  readonly namespaceMapping: Readonly<Record<string, string>>;
  readonly existing: ExistingPolicy;
  /** Most writes under way at once; 40 unless told. Lowered by itself while the API server is overloaded. */
  readonly concurrency?: number;
  /** Bound of every single wait (a CRD being established, a namespace going away, the API server coming back), in ms; 120,000 unless told. */
  readonly waitMs?: number;
  /** `keep` asks for the set's node ports and takes others where they are in use; `reassign` always lets the target choose. */
  readonly nodePorts?: 'keep' | 'reassign';
  /** StorageClass in the set to StorageClass on the target; one that is not named keeps its name. */
  readonly storageClasses?: Readonly<Record<string, string>>;
  /** What claims ask for, by `namespace/claim` of the set; others ask for what they did. */
  readonly volumeSizes?: VolumeSizes;
  /** `none` creates claims empty, on purpose; `data` unless told. */
  readonly volumes?: 'data' | 'none';
  /** It is asked for by somebody who is restricted to namespaces: one that is made for them must give them no right (docs/restore.md). */
  readonly forTenant?: true;
}

/** The steps of a restore in their order. */
export const restoreSteps = [
  'custom-resource-definitions',
  'namespaces',
  'cluster-configuration',
  'configmaps',
  'secrets',
  'volume-claims',
  'custom-resources',
  'applications',
  'workflows',
  'limits',
  'admission',
] as const;

export type RestoreStep = (typeof restoreSteps)[number];

export const restoreActions = [
  'create',
  'complete',
  'adopt',
  'update',
  'recreate',
  'skip-equal',
  'skip-differs',
  'exclude',
  'fail',
] as const;

/**
 * What a restore does with one object.
 * `complete`: an earlier restore was interrupted before it had written all of it. `adopt`: the cluster made an empty one by itself.
 * `exclude`: not brought back on purpose. `fail`: known beforehand to be impossible, such as a kind that the target does not serve.
 */
export type RestoreAction = (typeof restoreActions)[number];

/** One field that differs: what the restore wants, and what the target has. */
export interface FieldDifference {
  /** JSON pointer, RFC 6901. */
  readonly path: string;
  /** JSON text, cut to 200 characters; absent where there is no such field. Never given for contents of Secrets. */
  readonly wanted?: string;
  readonly live?: string;
}

export interface PlannedObject {
  /** `configmaps`, `workflows.argoproj.io`. */
  readonly kind: string;
  /** Namespace and name on the target; the namespace is empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  readonly action: RestoreAction;
  readonly reason?: string;
  /** For objects that are on the target and differ. */
  readonly differences?: readonly FieldDifference[];
}

export type ActionCounts = Readonly<Record<RestoreAction, number>>;

export interface PlannedStep {
  readonly step: RestoreStep;
  readonly counts: ActionCounts;
  readonly objects: readonly PlannedObject[];
}

/** One thing that a restore could not do, or did otherwise than the set has it. */
export interface RestoreProblem {
  readonly severity: 'failed' | 'warning';
  /** An object, or a whole kind: `widgets.example.com`. */
  readonly item: string;
  readonly code: ErrorCode;
  /** The reason, in the API server's own words where it gave one. */
  readonly message: string;
  /** Objects concerned, where `item` is a kind. */
  readonly objects?: number;
}

/** What a restore would do, in order. Nothing was written to make it. */
export interface RestorePlan {
  readonly backup: string;
  readonly server: string;
  readonly existing: ExistingPolicy;
  readonly namespaceMapping: Readonly<Record<string, string>>;
  /** Only steps with objects. */
  readonly steps: readonly PlannedStep[];
  readonly totals: ActionCounts;
  /** The data of claims, where the set says anything of them. */
  readonly volumes: readonly PlannedVolume[];
  readonly problems: readonly RestoreProblem[];
  /** SHA-256 of all decisions: two plans with the same one do the same. */
  readonly digest: string;
}

export type RestorePhase = 'Completed' | 'PartiallyFailed' | 'Failed';

export interface StepOutcome {
  readonly step: RestoreStep;
  readonly counts: ActionCounts;
  readonly durationMs: number;
}

/** What a restore did. `Failed`: nothing came back, or it had to stop; `problems` says why. */
export interface RestoreOutcome {
  readonly phase: RestorePhase;
  readonly backup: string;
  readonly server: string;
  readonly steps: readonly StepOutcome[];
  readonly totals: ActionCounts;
  /** Write requests sent, as a measure: the usual object takes one. */
  readonly writes: number;
  /** Bytes of JSON of the objects handled, as they are in the set. */
  readonly bytes: number;
  readonly objects: number;
  readonly durationMs: number;
  /** The data of claims, where the set says anything of them. */
  readonly volumes: readonly VolumeOutcome[];
  /** At most `problemLimit`, failures before warnings; the rest are counted in `problemsOmitted`. */
  readonly problems: readonly RestoreProblem[];
  readonly problemsOmitted: number;
  /** Why it had to stop, where it did: BACKUP_CORRUPT, CLUSTER_UNREACHABLE. */
  readonly stoppedBy?: ErrorCode;
}

export const problemLimit = 1_000;

export function noActions(): Record<RestoreAction, number> {
  return Object.fromEntries(restoreActions.map(action => [action, 0])) as Record<RestoreAction, number>;
}

/** What becomes of the snapshots of a pod's claims when its quiesce hook fails: none is taken, or they are taken all the same, and the set says so. */
export type HookFailure = 'fail' | 'continue';

/** Hooks for pods that have none in their annotations. */
export interface HookRule {
  /** Globs; all where there is none. */
  readonly namespaces: readonly string[];
  /** Kubernetes label selector of the pods; all where it is empty. */
  readonly labelSelector: string;
  /** The first of the pod unless told. */
  readonly container?: string;
  /** Words of a command; empty for none. */
  readonly quiesce: readonly string[];
  readonly thaw: readonly string[];
  readonly timeoutMs?: number;
  readonly onError: HookFailure;
}

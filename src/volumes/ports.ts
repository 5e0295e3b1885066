import type { Identity } from '../domain/identity.ts';
import type { MoverAction, MoverMeasure, MoverRequest, MoverResult } from '../domain/mover.ts';
import type { RepositoryAccess } from '../domain/repository-access.ts';
import type { Progress } from '../domain/runtime.ts';
import type { VolumeMode } from '../domain/volume.ts';

/** Hands out access to single prefixes of the location. CONFIG_INVALID where the location is none that a pod can reach. */
export interface AccessIssuer {
  /** `key`: of the repository, such as `volumes/agents/workspace/`. It is valid for at least `seconds`. `remove`: what may be
   * deleted by who writes, as beginnings of keys below it; only `locks/` unless told. STORE_ codes. */
  issue(
    key: string,
    options: { readonly write: boolean; readonly remove?: readonly string[]; readonly seconds: number; readonly signal: AbortSignal },
  ): Promise<RepositoryAccess>;
}

/** The restic repository of one claim, with its password at hand. */
export interface VolumeRepository {
  /** With a slash at its end. */
  readonly key: string;
  readonly password: string;
}

/** The repositories of all claims: passwords lie in Secrets of the service's namespace, and sealed with age beside the data. */
export interface VolumeRepositories {
  /**
   * The one that backups of a claim go to, made where there is none: its password is sealed into the location before it is used. A repository
   * whose password this cluster does not have is left alone, and another one begun beside it.
   */
  forBackup(claim: { readonly namespace: string; readonly claim: string }, signal: AbortSignal): Promise<VolumeRepository>;
  /** An existing one: by its Secret, else with the identities. IDENTITY_MISSING, IDENTITY_WRONG, STORE_NOT_FOUND. */
  open(key: string, options: { readonly identities: readonly Identity[]; readonly signal: AbortSignal }): Promise<VolumeRepository>;
}

/** One thing for a mover to do. */
export interface MoverTask {
  /** The set or restore that it is for. */
  readonly work: string;
  readonly role: 'backup' | 'restore' | 'upkeep';
  /** False where something stands still meanwhile: a restore then waits for its repository no longer than others do. */
  readonly waitsLong?: boolean;
  /** Of the data, for labels and messages. */
  readonly subject: { readonly namespace: string; readonly claim: string };
  /** Where the pod runs: the service's namespace, or that of a claim that can be had nowhere else. */
  readonly namespace: string;
  /** PersistentVolumeClaim of that namespace to mount at `/data`, or as the device `/dev/holdfast-volume`; none for upkeep. */
  readonly claim?: { readonly name: string; readonly mode: VolumeMode; readonly readOnly: boolean };
  /** A node that it must run on: that of a pod which has the volume. */
  readonly node?: string;
  readonly request: (access: RepositoryAccess) => MoverRequest;
  /** None for `bind`. */
  readonly repository?: VolumeRepository;
}

/**
 * Runs movers as Jobs, as many at a time as configured, one at a time for a repository (a Lease guards it, against other replicas too). A Job
 * of an earlier life of the service for the same repository is ended first; locks that it left are removed. What it makes is removed when it ends.
 * Fails with VOLUME_ codes, STORE_ codes, TIMEOUT; never leaves a credential behind.
 */
export interface Movers {
  run(task: MoverTask, options: { readonly signal: AbortSignal; readonly progress: Progress }): Promise<Extract<MoverResult, { ok: true }>>;
}

/** Told of every pod of a mover; must not throw. */
export interface MoverObserver {
  moverBegan(action: MoverAction): void;
  moverEnded(measure: MoverMeasure): void;
}

export const volumeMount = '/data';
export const volumeDevice = '/dev/holdfast-volume';

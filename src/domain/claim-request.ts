import { HoldfastError } from './errors.ts';
import { everything, type Selection } from './selection.ts';

export interface ClaimPlace {
  readonly namespace: string;
  readonly claim: string;
}

/** What is asked for one claim. */
export interface ClaimRequest {
  /** In the set. */
  readonly from: ClaimPlace;
  /** On the cluster; the same unless told. */
  readonly to?: ClaimPlace;
  /** Write into the claim that is there. */
  readonly inPlace: boolean;
  /** Only these files and folders, absolute within the volume; everything when empty. */
  readonly include: readonly string[];
  /** Remove what the set does not have; only in place, and only where everything is restored. */
  readonly deleteOthers: boolean;
  /** Scale down what uses the claim, and up again; only in place. */
  readonly scaleDown: boolean;
  /** StorageClass in the set to StorageClass on the target. */
  readonly storageClasses: Readonly<Record<string, string>>;
  /** What a new claim asks for, as Kubernetes writes it: `20Gi`; what it did unless told. */
  readonly size?: string;
}

/** What a set must hold for it. */
export function aroundClaim({ namespace }: ClaimPlace): Selection {
  return { ...everything, includeNamespaces: [namespace] };
}

/** USAGE for wishes that contradict each other. */
export function checkRequest({ inPlace, include, deleteOthers, scaleDown, size }: ClaimRequest): void {
  if (deleteOthers && !inPlace)
    throw new HoldfastError('USAGE', 'a new claim has nothing that could be deleted: --delete-others goes with --in-place');
  if (deleteOthers && include.length > 0) throw new HoldfastError('USAGE', '--delete-others is for whole claims, and --include for parts');
  if (scaleDown && !inPlace) throw new HoldfastError('USAGE', 'nothing uses a new claim: --scale-down goes with --in-place');
  if (size !== undefined && inPlace) throw new HoldfastError('USAGE', 'a claim that is there has its size: --size is for new ones');
  const relative = include.find(path => !path.startsWith('/') || path.split('/').includes('..'));
  if (relative !== undefined)
    throw new HoldfastError('USAGE', `--include ${JSON.stringify(relative)} is no path from the volume’s root, such as /src/main.ts`);
}

import { HoldfastError } from '../../domain/errors.ts';
import { stringAt } from '../../domain/json.ts';
import { labelValue } from '../../volumes/labels.ts';
import { requestOf, type VolumeClaim } from './claim.ts';
import { discardVolume, type FilledVolume } from './handover.ts';
import { partsOf } from './temporary-claim.ts';
import type { TemporaryContext } from './temporary-life.ts';

/** What restores have filled for one claim that is not bound to it yet. */
export interface Waiting {
  /** By an earlier life of the same restore: the data is in it, and nothing else. */
  readonly own?: FilledVolume;
  /** By other restores of ours; the claim could be bound to them in place of its own. */
  readonly others: readonly FilledVolume[];
  /** By another installation, whose it is to finish or to remove. */
  readonly foreign?: FilledVolume;
}

export interface WaitingFor {
  readonly set: string;
  readonly claim: Pick<VolumeClaim, 'place' | 'spec'>;
  /** Only these files and folders; everything when empty. */
  readonly include?: readonly string[];
}

/** Pure. A volume of other files, or of another class or too small for what the claim asks for now, is not that of the same restore. */
export function waitingFor({ set, claim, include }: WaitingFor, filled: readonly FilledVolume[]): Waiting {
  const { place, spec } = claim;
  const wanted = partsOf(include).join('\n');
  const storageClass = stringAt(spec, 'storageClassName');
  const fits = (one: FilledVolume) =>
    one.set === labelValue(set) &&
    partsOf(one.filled.include).join('\n') === wanted &&
    (storageClass ?? one.storageClass) === one.storageClass &&
    one.sizeBytes >= requestOf(spec);
  const all = filled.filter(one => one.claim === `${place.namespace}/${place.claim}`);
  const ours = all.filter(one => !one.foreign);
  const [own] = ours.filter(fits).sort((a, b) => Number(b.handedOver) - Number(a.handedOver));
  const foreign = all.find(one => one.foreign && one.handedOver && one.phase !== 'Bound');
  return {
    ...(own !== undefined && { own }),
    others: ours.filter(one => one !== own && one.phase !== 'Bound'),
    ...(foreign !== undefined && { foreign }),
  };
}

/** Why a claim cannot be made now. */
export function foreignReason({ name, set }: FilledVolume): string {
  return `the volume ${name} waits for it, which another installation has filled from ${set}: finish that restore, or remove the volume`;
}

export function foreignWaits(volume: FilledVolume, name: string): HoldfastError {
  return new HoldfastError('VOLUME_IN_USE', `${name} cannot be made: ${foreignReason(volume)}`, {
    hint: 'run the other restore again with its own configuration; its holdfast volumes orphans --yes removes what it left',
  });
}

/** Gives up what other restores have left for a claim. */
export async function discardOthers({ others }: Waiting, context: TemporaryContext): Promise<void> {
  for (const { name } of others) await discardVolume(name, context.tools.settings.namespace, context);
}

import { HoldfastError } from '../../domain/errors.ts';
import { type JsonObject, stringAt } from '../../domain/json.ts';
import { volumeNames } from '../../domain/volume.ts';

const defaultAnnotation = 'snapshot.storage.kubernetes.io/is-default-class';

export interface ClassChoice {
  /** CSI driver of the volume. */
  readonly driver: string;
  /** What the claim's annotation names. */
  readonly wanted?: string | undefined;
  /** By driver: `volumes.snapshotClasses`. */
  readonly configured: Readonly<Record<string, string>>;
  /** All VolumeSnapshotClasses of the cluster. */
  readonly classes: readonly JsonObject[];
}

/**
 * The VolumeSnapshotClass for a claim: what its annotation says, else what is configured for its driver, else the driver's default class, else
 * its only one; undefined where the driver has none. SNAPSHOT_CLASS_MISSING where one is named that cannot be meant, or several could be, with what
 * there is: guessing could put snapshots into the wrong pool.
 */
export function chooseSnapshotClass({ driver, wanted, configured, classes }: ClassChoice): string | undefined {
  const ofDriver = classes.filter(one => stringAt(one, 'driver') === driver);
  const named = wanted ?? configured[driver];
  if (named !== undefined) {
    const by = wanted === undefined ? `volumes.snapshotClasses for ${driver}` : `the claim’s annotation ${volumeNames.classAnnotation}`;
    const found = classes.find(one => nameOf(one) === named);
    if (found === undefined) throw missing(`VolumeSnapshotClass ${named}, which ${by} names, does not exist`);
    if (stringAt(found, 'driver') === driver) return named;
    throw missing(
      `VolumeSnapshotClass ${named}, which ${by} names, is of driver ${stringAt(found, 'driver')}, and the volume of ${driver}`,
    );
  }
  const defaults = ofDriver.filter(one => stringAt(one, 'metadata', 'annotations', defaultAnnotation) === 'true');
  const candidates = defaults.length > 0 ? defaults : ofDriver;
  const [only] = candidates;
  if (only === undefined) return undefined;
  if (candidates.length === 1) return nameOf(only);
  const names = candidates.map(nameOf).sort().join(', ');
  throw missing(
    defaults.length > 0
      ? `driver ${driver} has several default VolumeSnapshotClasses: ${names}`
      : `driver ${driver} has several VolumeSnapshotClasses and none is the default: ${names}`,
  );
}

function nameOf(object: JsonObject): string {
  return stringAt(object, 'metadata', 'name') ?? '';
}

function missing(message: string): HoldfastError {
  return new HoldfastError('SNAPSHOT_CLASS_MISSING', message);
}

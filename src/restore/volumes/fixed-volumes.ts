import type { ClusterApi } from '../../cluster/cluster-api.ts';
import { isObject, type JsonObject, parseJson, stringAt } from '../../domain/json.ts';
import { kindName } from '../../domain/resource.ts';
import { restoredForm } from '../../domain/restored-form.ts';
import { findStaticVolume } from '../../domain/static-volume.ts';
import type { TargetClass } from '../../domain/volume-restore.ts';
import { volumes as volumeKind } from '../../volumes/kinds.ts';
import { formOptions } from '../assess.ts';
import type { Ground, RestoreInput } from '../ground.ts';
import { modeOf, requestOf, type VolumeClaim } from './claim.ts';
import { listObjects } from './survey.ts';
import { temporaryName } from './temporary-claim.ts';

/** Finds volumes that are there for claims for which nothing makes one; no two claims get the same. */
export interface FixedVolumes {
  /** Undefined for a claim whose class makes volumes, or is not there; a string says why there is none. */
  of(claim: VolumeClaim, storage: TargetClass | string): Promise<{ readonly name: string } | string | undefined>;
}

export interface FixedOptions {
  readonly cluster: ClusterApi;
  readonly signal: AbortSignal;
  readonly set: string;
  /** Of temporary claims. */
  readonly namespace: string;
  /** Volumes that the same restore will bring. */
  readonly toCome?: () => Promise<readonly JsonObject[]>;
}

export function createFixedVolumes({ cluster, signal, set, namespace, toCome }: FixedOptions): FixedVolumes {
  const taken = new Set<string>();
  let known: Promise<readonly JsonObject[]> | undefined;
  const all = () => {
    known ??= readAll();
    return known;
  };
  const readAll = async () => {
    const live = await listObjects(cluster, volumeKind, { signal });
    const names = new Set(live.map(nameOf));
    return [...live, ...((await toCome?.()) ?? []).filter(volume => !names.has(nameOf(volume)))];
  };
  return {
    of: async (claim, storage) => {
      const { spec, place, record, before } = claim;
      const volumeName = stringAt(spec, 'volumeName') ?? '';
      const made = typeof storage !== 'string' && storage.provisioner !== '';
      if (volumeName === '' && made) return undefined;
      const storageClass = stringAt(spec, 'storageClassName') ?? (typeof storage === 'string' ? '' : storage.name);
      const modes = spec['accessModes'];
      const found = findStaticVolume(
        await all(),
        {
          ...{ place, storageClass, mode: modeOf(spec), bytes: Math.max(requestOf(spec), record.data?.bytes ?? 0) },
          holders: [place, { namespace, claim: temporaryName(set, place) }],
          accessModes: Array.isArray(modes) ? modes.filter(mode => typeof mode === 'string') : [],
          ...(volumeName !== '' && { volumeName }),
          ...(before !== undefined && { before }),
          ...(spec['selector'] !== undefined && { selector: spec['selector'] }),
        },
        taken,
      );
      if (typeof found !== 'string') {
        taken.add(found.name);
        return found;
      }
      // That there is no such class says more than that no volume is free.
      if (volumeName === '' && typeof storage === 'string') return undefined;
      const other = storageClass === '' ? '' : `, or name another class with --storage-class-mapping ${storageClass}=<class>`;
      return `${found}: make it first${other}`;
    },
  };
}

function nameOf(volume: JsonObject): string {
  return stringAt(volume, 'metadata', 'name') ?? '';
}

/** Volumes that the restore brings along, as they will be. */
export async function volumesToCome(
  { reader, options, runtime, signal }: RestoreInput,
  { scope }: Pick<Ground, 'scope'>,
): Promise<readonly JsonObject[]> {
  const found: JsonObject[] = [];
  await reader.read(
    entry => kindName(entry) === kindName(volumeKind) && scope.rankOf(entry) !== undefined,
    (_entry, json) => {
      const object = parseJson(json);
      if (!isObject(object)) return;
      const form = restoredForm(volumeKind, object, formOptions(options, runtime.now()));
      if (!('excluded' in form)) found.push(form.main);
    },
    { signal },
  );
  return found;
}

import type { ClaimPlace } from '../../domain/claim-request.ts';
import { HoldfastError } from '../../domain/errors.ts';
import { at, type JsonObject, stringAt } from '../../domain/json.ts';
import { quantityBytes } from '../../domain/quantity.ts';
import type { Progress } from '../../domain/runtime.ts';
import { claimName, type VolumeRecord } from '../../domain/volume.ts';
import { inUse, type UsersContext } from '../../volumes/claim-users.ts';
import { untilMoversGone, workloadsUsing } from '../../volumes/mover-users.ts';
import { modeOf } from './claim.ts';
import { restoreRequest } from './fill.ts';
import type { Filled } from './handover.ts';
import type { VolumeTools } from './tools.ts';

export interface InPlaceTask {
  readonly set: string;
  readonly record: VolumeRecord;
  readonly place: ClaimPlace;
  /** The claim as it is on the cluster. */
  readonly claim: JsonObject;
  /** Only these files and folders, absolute within the volume; everything when empty. */
  readonly include: readonly string[];
  readonly deleteOthers: boolean;
  /** Scale down what uses it, and up again. */
  readonly scaleDown: boolean;
}

export interface InPlaceContext extends UsersContext {
  readonly tools: VolumeTools;
  readonly progress: Progress;
}

/**
 * Pure: can the data be written to this claim at all? VOLUME_DATA_MISSING, VOLUME_MODE_MISMATCH, VOLUME_FULL. What is restored in part may be
 * small: its room is not judged beforehand.
 */
export function checkFit({ record, claim, place, include }: Pick<InPlaceTask, 'record' | 'claim' | 'place' | 'include'>): void {
  const name = claimName(place);
  if (record.data === undefined) {
    throw new HoldfastError(
      'VOLUME_DATA_MISSING',
      `the data of ${claimName(record)} is not in the repository: ${record.reason || 'it was not moved'}`,
      {
        hint: 'restore it to a new claim from the snapshot, where that is still there (--to namespace/claim), or use another set',
      },
    );
  }
  const spec = (at(claim, 'spec') ?? {}) as JsonObject;
  const mode = modeOf(spec);
  const wanted = record.volumeMode ?? 'Filesystem';
  if (mode !== wanted) throw new HoldfastError('VOLUME_MODE_MISMATCH', `${name} is of volumeMode ${mode}, and the data of ${wanted}`);
  if (mode === 'Block' && include.length > 0) {
    throw new HoldfastError('VOLUME_MODE_MISMATCH', `${name} is a block volume: it has no files to choose from`);
  }
  const capacity = stringAt(claim, 'status', 'capacity', 'storage') ?? stringAt(spec, 'resources', 'requests', 'storage') ?? '';
  const bytes = quantityBytes(capacity) ?? Number.POSITIVE_INFINITY;
  const needed = include.length > 0 ? 0 : record.data.bytes;
  if (bytes < needed) throw new HoldfastError('VOLUME_FULL', `${name} has ${bytes} bytes, and the data takes ${needed}`);
}

/** Writes the data of a set into a claim that is there. VOLUME_IN_USE, and the codes of `checkFit` and of movers. */
export async function restoreInPlace(task: InPlaceTask, context: InPlaceContext): Promise<Filled> {
  checkFit(task);
  const { place, set, scaleDown } = task;
  const { tools, signal } = context;
  if (!scaleDown) {
    await untilFree(task, context);
    return move(task, context);
  }
  // Twice: nothing is scaled down for a claim that other work has, and what began while pods ended is heard of.
  await untilNoMover(task, context);
  return tools.scaled.around(place, { set, signal }, async within => {
    await untilFree(task, { ...context, signal: within });
    return move(task, { ...context, signal: within });
  });
}

async function untilFree(task: InPlaceTask, context: InPlaceContext): Promise<void> {
  const users = await workloadsUsing(task.place, { ...context, installation: context.tools.installation });
  if (users.length > 0) throw inUse(task.place, users);
  await untilNoMover(task, context);
}

function untilNoMover({ place, set, record }: InPlaceTask, context: InPlaceContext): Promise<void> {
  const repository = record.data?.repository ?? '';
  return untilMoversGone(place, { set, repository }, { ...context, installation: context.tools.installation });
}

async function move(task: InPlaceTask, { tools, signal, progress }: InPlaceContext): Promise<Filled> {
  const { record, place, set, include, deleteOthers, claim, scaleDown } = task;
  if (record.data === undefined) throw new HoldfastError('INTERNAL', 'there is no data to move');
  const { repository: key, snapshot } = record.data;
  const repository = await tools.repositories.open(key, { identities: tools.identities, signal });
  const mode = modeOf((at(claim, 'spec') ?? {}) as JsonObject);
  const {
    bytes = 0,
    files = 0,
    durationMs,
  } = await tools.movers.run(
    {
      ...{ work: set, role: 'restore', waitsLong: !scaleDown, subject: place, namespace: place.namespace, repository },
      claim: { name: place.claim, mode, readOnly: false },
      request: access => restoreRequest({ access, snapshot, tools, mode, include, deleteOthers }),
    },
    { signal, progress },
  );
  return { source: 'repository', bytes, files, durationMs };
}

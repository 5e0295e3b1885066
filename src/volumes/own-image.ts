import { asHoldfastError, HoldfastError } from '../domain/errors.ts';
import { at, type JsonObject, stringAt } from '../domain/json.ts';
import { pods } from './kinds.ts';
import type { Objects } from './objects.ts';

/** The pod that this process runs in. */
export interface OwnPod {
  readonly namespace: string;
  readonly name: string;
}

/** Among containers that others put beside it. */
const ownContainer = 'holdfast';
const hint = 'let volumes.mover.image, or HOLDFAST_VOLUMES_MOVER_IMAGE, name an image with Holdfast and restic that the nodes can pull';

/**
 * The image of the service itself, by what its pod asks for, so that movers are always of the version that made them. Looked up when it is first
 * wanted; a pod keeps its image. CONFIG_INVALID where this is no pod, or it cannot be looked at.
 */
export function ownImage(objects: Objects, pod: OwnPod | undefined): (signal: AbortSignal) => Promise<string> {
  let known: string | undefined;
  return async signal => {
    known ??= await read(objects, pod, signal);
    return known;
  };
}

async function read(objects: Objects, pod: OwnPod | undefined, signal: AbortSignal): Promise<string> {
  if (pod === undefined) throw unknown('this process runs in no pod whose image movers could have');
  const where = `pods ${pod.namespace}/${pod.name}`;
  let found: JsonObject | undefined;
  try {
    found = await objects.read(pods, pod.namespace, pod.name, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    const error = asHoldfastError(thrown);
    if (error.retryable) throw error;
    throw unknown(`${where}, whose image movers would have, cannot be read: ${error.message}`);
  }
  const containers = at(found, 'spec', 'containers');
  const all = Array.isArray(containers) ? containers : [];
  const image = stringAt(all.find(one => stringAt(one, 'name') === ownContainer) ?? all[0], 'image');
  if (image === undefined) throw unknown(`${where}, whose image movers would have, is not there`);
  return image;
}

function unknown(why: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', `volumes.mover.image is not set, and ${why}`, { hint });
}

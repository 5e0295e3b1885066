import type { ClusterApi } from '../cluster/cluster-api.ts';
import { isCode } from '../domain/errors.ts';
import { at, type Json, parseJson, stringAt } from '../domain/json.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { Ground, RestoreInput } from './ground.ts';
import { defaultWaitMs, waitUntil } from './patience.ts';

const definitionKind: ResourceKind = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  resource: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
  verbs: [],
  subresources: ['status'],
};

/**
 * Waits until the kinds whose definitions were written are established, listed by discovery, and answer. Those that do not get there in time
 * keep their objects from being restored; nothing else waits for them.
 */
export async function awaitDefinitions(input: RestoreInput, ground: Ground): Promise<void> {
  const { runtime, signal, options } = input;
  const waiting = { runtime, signal, waitMs: options.waitMs ?? defaultWaitMs };
  const names = ground.awaited();
  const open = new Set(names);
  await waitUntil(async () => {
    input.progress({ phase: 'wait', detail: `${open.size} definitions to be served` });
    for (const name of open) if (await isSettled(input.cluster, name, signal)) open.delete(name);
    return open.size === 0;
  }, waiting);
  await waitUntil(async () => {
    await ground.rediscover();
    return ground.awaited().every(name => !names.includes(name) || open.has(name));
  }, waiting);
  const coming = ground.awaited();
  const silent = new Set(names.filter(name => !coming.includes(name)));
  await waitUntil(async () => {
    for (const name of silent) if (await answers(input.cluster, ground, name, signal)) silent.delete(name);
    return silent.size === 0;
  }, waiting);
}

/** Neither its definition nor discovery says so: a busy API server answers 404 to its objects for seconds longer. */
async function answers(cluster: ClusterApi, ground: Ground, name: string, signal: AbortSignal): Promise<boolean> {
  const [resource = '', ...group] = name.split('.');
  const target = ground.target({ resource, group: group.join('.') });
  if ('missing' in target) return true;
  try {
    await cluster.list(target.kind, () => {}, { limit: 1, signal });
    return true;
  } catch (thrown) {
    signal.throwIfAborted();
    return !isCode(thrown, 'CLUSTER_NOT_FOUND', 'CLUSTER_UNREACHABLE', 'CLUSTER_THROTTLED');
  }
}

/** Established, or never going to be: missing, or its names taken by another. */
async function isSettled(cluster: ClusterApi, name: string, signal: AbortSignal): Promise<boolean> {
  const text = await cluster.get(definitionKind, '', name, { signal });
  if (text === undefined) return true;
  const conditions = at(parseJson(text), 'status', 'conditions');
  const is = (type: string, status: string) =>
    Array.isArray(conditions) && conditions.some((each: Json) => stringAt(each, 'type') === type && stringAt(each, 'status') === status);
  return is('Established', 'True') || is('NamesAccepted', 'False');
}

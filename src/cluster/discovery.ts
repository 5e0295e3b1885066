import { type JsonObject, stringAt } from '../domain/json.ts';
import { kindName, type ResourceKind } from '../domain/resource.ts';
import { type ApiService, apiServices } from './api-services.ts';
import type { CallOptions, Discovery, UnavailableGroup } from './cluster-api.ts';
import { legacyGroups } from './discovery-legacy.ts';
import { type GroupVersion, itemsOf, strings } from './discovery-read.ts';
import { readJson } from './read-json.ts';
import type { Transport } from './transport.ts';

const aggregated = ['v2', 'v2beta1'].map(v => `application/json;g=apidiscovery.k8s.io;v=${v};as=APIGroupDiscoveryList`).join(',');

/** Reads what the API server serves, in two requests where it has aggregated discovery (KEP-3352), else in one a group version. */
export async function discover(transport: Transport, options: CallOptions): Promise<Discovery> {
  const [core, named, services] = await Promise.all([
    groupsOf(transport, '/api', options),
    groupsOf(transport, '/apis', options),
    apiServices(transport, options),
  ]);
  return summarize([...core, ...named], services);
}

async function groupsOf(transport: Transport, root: '/api' | '/apis', options: CallOptions): Promise<GroupVersion[]> {
  const answer = await readJson(transport, root, options.signal, `${aggregated},application/json`);
  if (stringAt(answer, 'kind') === 'APIGroupDiscoveryList') return itemsOf(answer, 'items').flatMap(readGroup);
  return legacyGroups(transport, root, answer, options);
}

/** Order is preserved: versions in the group's order of preference. */
function readGroup(item: JsonObject): GroupVersion[] {
  const group = stringAt(item, 'metadata', 'name') ?? '';
  return itemsOf(item, 'versions').map(entry => {
    const version = stringAt(entry, 'version') ?? '';
    const kinds = itemsOf(entry, 'resources').map(resource => readResource(group, version, resource));
    const stale = stringAt(entry, 'freshness') === 'Stale';
    return { group, version, kinds, ...(stale ? { problem: 'its API server does not answer, what is known of it is stale' } : {}) };
  });
}

function readResource(group: string, version: string, resource: JsonObject): ResourceKind {
  return {
    group,
    version,
    resource: stringAt(resource, 'resource') ?? '',
    kind: stringAt(resource, 'responseKind', 'kind') ?? '',
    namespaced: stringAt(resource, 'scope') === 'Namespaced',
    verbs: strings(resource.verbs),
    subresources: itemsOf(resource, 'subresources').map(sub => stringAt(sub, 'subresource') ?? ''),
  };
}

function summarize(groupVersions: readonly GroupVersion[], services: readonly ApiService[]): Discovery {
  const kinds = new Map<string, ResourceKind>();
  const servedVersions = new Map<string, string[]>();
  const unavailable = new Map<string, UnavailableGroup>();
  for (const { group, version, kinds: found, problem } of groupVersions) {
    const groupVersion = group === '' ? version : `${group}/${version}`;
    if (problem !== undefined) {
      const service = services.find(one => one.group === group && one.version === version);
      unavailable.set(groupVersion, { groupVersion, message: service?.unavailable ?? problem });
    }
    for (const kind of found) {
      const key = `${group}/${kind.resource}`;
      // Versions come in order of preference, so the first that has a resource is the one to use.
      if (!kinds.has(key)) kinds.set(key, kind);
      servedVersions.set(key, [...(servedVersions.get(key) ?? []), version]);
    }
  }
  addUnseen(unavailable, groupVersions, services);
  return {
    kinds: [...kinds.values()].sort((a, b) => (kindName(a) < kindName(b) ? -1 : 1)),
    servedVersions,
    unavailable: [...unavailable.values()],
    aggregatedGroups: new Set(services.filter(service => service.extension).map(service => service.group)),
  };
}

/** An extension server that never answered may be missing from discovery altogether. */
function addUnseen(
  unavailable: Map<string, UnavailableGroup>,
  groupVersions: readonly GroupVersion[],
  services: readonly ApiService[],
): void {
  for (const service of services) {
    const groupVersion = `${service.group}/${service.version}`;
    if (!service.extension || unavailable.has(groupVersion)) continue;
    const described = groupVersions.some(one => one.group === service.group && one.version === service.version && one.kinds.length > 0);
    if (described && service.unavailable === undefined) continue;
    unavailable.set(groupVersion, { groupVersion, message: service.unavailable ?? 'discovery does not describe it' });
  }
}

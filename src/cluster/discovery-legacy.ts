import { isCode } from '../domain/errors.ts';
import { type Json, type JsonObject, stringAt } from '../domain/json.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { CallOptions } from './cluster-api.ts';
import { type GroupVersion, itemsOf, strings } from './discovery-read.ts';
import { readJson } from './read-json.ts';
import type { Transport } from './transport.ts';

/** Discovery as it was before Kubernetes 1.26: an `APIVersions` or `APIGroupList`, then one `APIResourceList` a group version. */
export async function legacyGroups(
  transport: Transport,
  root: '/api' | '/apis',
  answer: Json,
  options: CallOptions,
): Promise<GroupVersion[]> {
  const versions = root === '/api' ? coreVersions(answer) : namedVersions(answer);
  return Promise.all(
    versions.map(async ({ group, version }) => {
      const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
      try {
        const list = await readJson(transport, path, options.signal);
        return { group, version, kinds: readResources(group, version, itemsOf(list, 'resources')) };
      } catch (thrown) {
        if (!isCode(thrown, 'CLUSTER_ERROR', 'CLUSTER_NOT_FOUND', 'CLUSTER_FORBIDDEN', 'CLUSTER_THROTTLED')) throw thrown;
        return { group, version, kinds: [], problem: thrown.message };
      }
    }),
  );
}

function coreVersions(answer: Json): { group: string; version: string }[] {
  const found = typeof answer === 'object' && answer !== null && !Array.isArray(answer) ? strings(answer.versions) : [];
  return found.map(version => ({ group: '', version }));
}

/** The preferred version first, the others in the server's order. */
function namedVersions(answer: Json): { group: string; version: string }[] {
  return itemsOf(answer, 'groups').flatMap(item => {
    const group = stringAt(item, 'name') ?? '';
    const preferred = stringAt(item, 'preferredVersion', 'version');
    const versions = itemsOf(item, 'versions').map(entry => stringAt(entry, 'version') ?? '');
    const ordered = preferred === undefined ? versions : [preferred, ...versions.filter(version => version !== preferred)];
    return ordered.map(version => ({ group, version }));
  });
}

/** Subresources are entries of their own there, named `pods/status`. */
function readResources(group: string, version: string, entries: readonly JsonObject[]): ResourceKind[] {
  const names = entries.map(entry => stringAt(entry, 'name') ?? '');
  return entries.flatMap((entry, i) => {
    const resource = names[i] ?? '';
    if (resource === '' || resource.includes('/')) return [];
    const prefix = `${resource}/`;
    return [
      {
        group,
        version,
        resource,
        kind: stringAt(entry, 'kind') ?? '',
        namespaced: entry.namespaced === true,
        verbs: strings(entry.verbs),
        subresources: names.filter(name => name.startsWith(prefix)).map(name => name.slice(prefix.length)),
      },
    ];
  });
}

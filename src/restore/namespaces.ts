import { mappedNamespace } from '../domain/namespace-mapping.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { Ground, RestoreInput } from './ground.ts';
import { waitUntil } from './patience.ts';
import { defaultWaitMs, type Restorer } from './restorer.ts';
import type { Tally } from './tally.ts';

const namespaceKind: ResourceKind = {
  group: '',
  version: 'v1',
  resource: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
  verbs: [],
  subresources: ['status'],
};

/** Waits, once for all objects, for namespaces that the target is deleting; those that stay are blocked. */
export async function awaitNamespaces(input: RestoreInput, ground: Ground, restorer: Restorer): Promise<void> {
  const { cluster, options, runtime, signal } = input;
  const names = [...ground.scope.namespaces].map(name => mappedNamespace(options.namespaceMapping, name));
  const deleting = new Set(names.filter(name => ground.live.get(namespaceKind, '', name)?.deleting));
  if (deleting.size === 0) return;
  await waitUntil(
    async () => {
      input.progress({ phase: 'wait', detail: `namespaces being deleted: ${[...deleting].join(', ')}` });
      for (const name of deleting) {
        if ((await cluster.get(namespaceKind, '', name, { signal })) !== undefined) continue;
        deleting.delete(name);
        ground.live.forgetNamespace(name);
      }
      return deleting.size === 0;
    },
    { runtime, signal, waitMs: options.waitMs ?? defaultWaitMs },
  );
  for (const name of deleting) restorer.blocked.set(name, `the target is still deleting the namespace ${name}: a finalizer in it holds it`);
}

/** Namespaces that the set has objects of, but which are not in it themselves. */
export async function makeUnknownNamespaces(input: RestoreInput, ground: Ground, tally: Tally): Promise<void> {
  const { cluster, options, signal } = input;
  for (const unknown of ground.scope.unknownNamespaces) {
    const name = mappedNamespace(options.namespaceMapping, unknown);
    if ((await cluster.get(namespaceKind, '', name, { signal })) !== undefined) continue;
    await cluster.create(namespaceKind, '', JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }), { signal });
    tally.writes++;
    tally.warn(`namespaces ${name}`, 'is not in the backup, only objects in it: made without labels');
  }
}

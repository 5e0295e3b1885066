import { isCode } from '../domain/errors.ts';
import { isObject, parseJson } from '../domain/json.ts';
import { mappedNamespace } from '../domain/namespace-mapping.ts';
import { restrainingLabels } from '../domain/pod-security.ts';
import { namespaces as namespaceKind } from '../volumes/kinds.ts';
import { ownedOptions } from './assess.ts';
import { foundObject } from './found.ts';
import type { Ground, RestoreInput } from './ground.ts';
import { copiedNamespace } from './needed.ts';
import { defaultWaitMs, waitUntil } from './patience.ts';
import type { Tally } from './tally.ts';

/** Looks for namespaces that the set has objects of, but which are not in it themselves: no list was asked for them. */
export async function findUnknownNamespaces(input: RestoreInput, { scope, live }: Pick<Ground, 'scope' | 'live'>): Promise<void> {
  const { cluster, options, signal } = input;
  for (const unknown of scope.unknownNamespaces) {
    const name = mappedNamespace(options.namespaceMapping, unknown);
    const text = await cluster.get(namespaceKind, '', name, { signal });
    const object = text === undefined ? undefined : parseJson(text);
    if (isObject(object)) live.set(namespaceKind, '', name, foundObject(namespaceKind, object, ownedOptions(options)));
  }
}

interface NamespaceToMake {
  /** In the set, and on the target. */
  readonly from: string;
  readonly name: string;
}

/** Those of them that the target lacks. */
export function namespacesToMake({ options }: RestoreInput, { scope, live }: Ground): readonly NamespaceToMake[] {
  const byName = new Map(scope.unknownNamespaces.map(from => [mappedNamespace(options.namespaceMapping, from), from]));
  return [...byName].map(([name, from]) => ({ from, name })).filter(({ name }) => live.get(namespaceKind, '', name) === undefined);
}

/** Namespaces of the restore that the target is deleting; it waits for these before it begins. */
export function namespacesLeaving({ options }: RestoreInput, { scope, live }: Ground): readonly string[] {
  const names = [...scope.namespaces].map(name => mappedNamespace(options.namespaceMapping, name));
  return names.filter(name => live.get(namespaceKind, '', name)?.deleting);
}

/** Waits for them, once for all objects; those that stay are blocked. */
export async function awaitNamespaces(input: RestoreInput, ground: Ground): Promise<void> {
  const { cluster, options, runtime, signal } = input;
  const deleting = new Set(namespacesLeaving(input, ground));
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
  for (const name of deleting) ground.blocked.set(name, `the target is still deleting the namespace ${name}: a finalizer in it holds it`);
}

/** What a person has to know of a namespace that is made of nothing but its name. */
export const bareNamespace =
  'is not in the backup, only objects in it: made without the labels and annotations that it had, those of Pod Security among them';

export async function makeUnknownNamespaces(input: RestoreInput, ground: Ground, tally: Tally): Promise<void> {
  const { cluster, signal } = input;
  for (const { from, name } of namespacesToMake(input, ground)) {
    // A tenant’s copy is no laxer than what it is a copy of.
    const labels = input.options.forTenant === true ? restrainingLabels(await copiedNamespace(from, input)) : {};
    const metadata = { name, ...(Object.keys(labels).length > 0 && { labels }) };
    tally.writes++;
    try {
      await cluster.create(namespaceKind, '', JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata }), { signal });
    } catch (thrown) {
      // Somebody else has made it meanwhile.
      if (isCode(thrown, 'CLUSTER_CONFLICT')) continue;
      throw thrown;
    }
    tally.count('namespaces', 'create');
    tally.madeNamespaces++;
    tally.warn(`namespaces ${name}`, Object.keys(labels).length > 0 ? `${bareNamespace}; these are as ${from} has them` : bareNamespace);
  }
}

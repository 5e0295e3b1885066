import { collectionPath, openApi, servedKinds } from './api.ts';

/** What is compared of an object, as text; equal text means equal content. */
export interface ObjectFacts {
  readonly labels: string;
  readonly status: string;
  readonly finishedWorkflow: boolean;
}

/** By key, see `keyOf`. */
export type Inventory = ReadonlyMap<string, ObjectFacts>;

interface Listed {
  readonly metadata: { readonly continue?: string };
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> };
    readonly status?: { readonly phase?: string };
  }[];
}

const pageSize = 1_000;
/** Expiring, or made anew by the cluster within seconds: no one's backup. */
const passing = new Set(['events', 'events.events.k8s.io', 'leases.coordination.k8s.io']);

/** Lists a cluster, kind after kind; of what it finds, only `wanted` is kept when given. */
export async function takeInventory(kubeconfig: string, wanted?: ReadonlySet<string>): Promise<Inventory> {
  const api = await openApi(kubeconfig, 1);
  const found = new Map<string, ObjectFacts>();
  try {
    for (const kind of await servedKinds(api)) {
      const kindName = kind.group === '' ? kind.resource : `${kind.resource}.${kind.group}`;
      if (!kind.verbs.includes('list') || passing.has(kindName)) continue;
      let next = '';
      do {
        const query = `?limit=${pageSize}${next === '' ? '' : `&continue=${encodeURIComponent(next)}`}`;
        const page = await api.json<Listed>(collectionPath(kind) + query);
        for (const object of page.items) {
          const key = keyOf(collectionPath(kind, object.metadata.namespace), object.metadata.name);
          if (wanted === undefined || wanted.has(key)) found.set(key, factsOf(kindName, object));
        }
        next = page.metadata.continue ?? '';
      } while (next !== '');
    }
  } finally {
    await api.close();
  }
  return found;
}

/** One text for an object: the path of its collection, in whatever version, and its name. */
export function keyOf(collection: string, name: string): string {
  return `${collection.replace(/^(\/apis\/[^/]+|\/api)\/[^/]+/, '$1')}/${name}`;
}

function factsOf(kind: string, object: Listed['items'][number]): ObjectFacts {
  return {
    labels: canonical(object.metadata.labels ?? {}),
    status: canonical(object.status ?? {}),
    finishedWorkflow: kind === 'workflows.argoproj.io' && /^(Succeeded|Failed|Error)$/.test(object.status?.phase ?? ''),
  };
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join()}}`;
}

/** How much of one cluster is in another. */
export interface Recovered {
  readonly objects: number;
  /** Of the objects that are there, those with the labels they had. */
  readonly sameLabels: number;
  /** Workflows that had ended, and whose status says the same. */
  readonly finishedWorkflows: number;
}

export function compare(before: Inventory, after: Inventory): Recovered {
  const pairs = [...before].flatMap(([key, was]) => {
    const is = after.get(key);
    return is === undefined ? [] : [{ was, is }];
  });
  const count = (matches: (pair: (typeof pairs)[number]) => boolean) => pairs.filter(matches).length;
  return {
    objects: pairs.length,
    sameLabels: count(({ was, is }) => was.labels === is.labels),
    finishedWorkflows: count(({ was, is }) => was.finishedWorkflow && was.status === is.status),
  };
}

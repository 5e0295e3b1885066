import { apiJson, apiRequest } from '../cluster/api-request.ts';
import type { Access } from '../cluster/kubeconfig.ts';

// All objects of a cluster, as any HTTP client sees them: nothing here is the program's own, so that it can bear witness to it.

export type Value = string | boolean | null | Value[] | Fields;
export interface Fields {
  [name: string]: Value;
}

interface Resource {
  readonly name: string;
  readonly verbs: readonly string[];
}

/** Every object of every kind that can be listed, in its group's preferred version, by `<kind> <namespace>/<name>`. Numbers are their digits. */
export async function dumpCluster(access: Access): Promise<Map<string, Fields>> {
  const { groups } = await apiJson<{ groups: { name: string; versions: { groupVersion: string }[] }[] }>(access, '/apis');
  const served = [
    { name: '', paths: ['/api/v1'] },
    ...groups.map(g => ({ name: g.name, paths: g.versions.map(v => `/apis/${v.groupVersion}`) })),
  ];
  const objects = new Map<string, Fields>();
  for (const { name: group, paths } of served) {
    const seen = new Set<string>();
    for (const path of paths) {
      const { resources } = await apiJson<{ resources: Resource[] }>(access, path);
      for (const { name, verbs } of resources) {
        if (name.includes('/') || !verbs.includes('list') || seen.has(name)) continue;
        seen.add(name);
        const kind = group === '' ? name : `${name}.${group}`;
        for (const item of await list(access, `${path}/${name}`)) {
          const { namespace = '', name: own = '' } = item['metadata'] as Fields;
          objects.set(`${kind} ${namespace}/${own}`, item);
        }
      }
    }
  }
  return objects;
}

async function list(access: Access, path: string): Promise<Fields[]> {
  const { status, text } = await apiRequest(access, path);
  if (status !== 200) throw new Error(`GET ${path}: ${status} ${text.slice(0, 300)}`);
  const { items } = parseDigits(text) as { items?: Fields[] | null };
  return items ?? [];
}

/** Numbers become text with their own digits, for JavaScript would round them. */
function parseDigits(text: string): unknown {
  const revive = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === 'number' ? `number ${context?.source}` : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

/** The same text for the same content, whatever the order of names. */
export function canonical(value: Value | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'nothing';
  const names = Object.keys(value).sort();
  return `{${names.map(name => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`;
}

/** Takes away what lies at a path of names; `*` is each of them, or each item. Maps that become empty go too. */
export function removeField(value: Value | undefined, path: readonly string[]): void {
  const [name, ...rest] = path;
  if (name === undefined || typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    if (name === '*') for (const item of value) removeField(item, rest);
    return;
  }
  for (const own of name === '*' ? Object.keys(value) : [name]) {
    if (rest.length === 0) delete value[own];
    else if (Object.hasOwn(value, own)) {
      removeField(value[own], rest);
      const left = value[own];
      if (typeof left === 'object' && left !== null && !Array.isArray(left) && Object.keys(left).length === 0) delete value[own];
    }
  }
}

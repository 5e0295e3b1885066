import type { ResourceKind } from '../domain/resource.ts';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** `/api/v1/namespaces/agents/configmaps/settings/status`; an empty namespace means all of them, or a cluster-scoped kind. */
export function resourcePath(kind: ResourceKind, namespace: string, name?: string, subresource?: string): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = kind.namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const object = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  const part = subresource === undefined ? '' : `/${subresource}`;
  return `${root}${scope}/${kind.resource}${object}${part}`;
}

/** Leaves out what is undefined. */
export function withQuery(path: string, query: Query): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined);
  if (pairs.length === 0) return path;
  return `${path}?${pairs.map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`).join('&')}`;
}

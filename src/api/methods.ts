import type { Endpoint } from './endpoint.ts';
import { apiPrefix, endpoints } from './endpoints.ts';

interface Known {
  readonly pattern: RegExp;
  readonly methods: readonly string[];
}

/** Every endpoint of the API. */
export function allEndpoints(): readonly Endpoint[] {
  return Object.values(endpoints).flatMap(group => Object.values(group) as Endpoint[]);
}

/** Which methods a path knows, so that a wrong one is told from a wrong path. Undefined for an unknown path. */
export function methodFinder(): (path: string) => readonly string[] | undefined {
  const byPath = Map.groupBy(allEndpoints(), ({ path }) => path);
  const known: Known[] = [...byPath].map(([path, group]) => ({
    pattern: new RegExp(`^${apiPrefix}${path.replace(/:[a-z]+/g, '[^/]+')}$`),
    methods: group.flatMap(({ method, stream }) => (method === 'GET' && stream !== true ? ['GET', 'HEAD'] : [method])),
  }));
  known.push({ pattern: /^\/(healthz|readyz|openapi\.json)$/, methods: ['GET', 'HEAD'] });
  return path => {
    const methods = known.filter(({ pattern }) => pattern.test(path)).flatMap(entry => entry.methods);
    return methods.length === 0 ? undefined : [...new Set([...methods, 'OPTIONS'])];
  };
}

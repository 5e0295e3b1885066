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
  const byPath = Map.groupBy(literalFirst(allEndpoints()), ({ path }) => path);
  const known: Known[] = [...byPath].map(([path, group]) => ({
    pattern: new RegExp(`^${apiPrefix}${path.replace(/:[a-z]+/g, '[^/]+')}$`),
    methods: group.flatMap(({ method, stream }) => (method === 'GET' && stream !== true ? ['GET', 'HEAD'] : [method])),
  }));
  known.push({ pattern: /^\/(healthz|readyz|openapi\.json)$/, methods: ['GET', 'HEAD'] });
  return path => {
    const found = known.find(({ pattern }) => pattern.test(path));
    return found === undefined ? undefined : [...new Set([...found.methods, 'OPTIONS'])];
  };
}

/** `/restores/plan` before `/restores/:id`, as the router has it. */
function literalFirst(all: readonly Endpoint[]): readonly Endpoint[] {
  return all.toSorted((a, b) => Number(a.path.includes(':')) - Number(b.path.includes(':')));
}

/** Methods that the router would take for those of a path with a parameter: GET of `/restores/plan` is no restore called `plan`. */
export function shadowedMethods(): readonly { readonly method: Endpoint['method']; readonly url: string }[] {
  const all = allEndpoints();
  return all
    .filter(({ path }) => !path.includes(':'))
    .flatMap(({ path }) => {
      const own = all.filter(other => other.path === path).map(({ method }) => method);
      const shadowing = all.filter(
        other => other.path.includes(':') && new RegExp(`^${other.path.replace(/:[a-z]+/g, '[^/]+')}$`).test(path),
      );
      return shadowing.filter(({ method }) => !own.includes(method)).map(({ method }) => ({ method, url: `${apiPrefix}${path}` }));
    });
}

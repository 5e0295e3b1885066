import type { Answers } from './answers.ts';

const methods = ['get', 'put', 'post', 'delete', 'patch'];

/** Every operation of the document that a service gives out (`GET /api/v1/backups`), but for those of some paths, in order. */
export async function describedOperations(url: string, except: readonly string[] = []): Promise<readonly string[]> {
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Readonly<Record<string, object>> };
  return Object.entries(paths)
    .filter(([path]) => !except.includes(path))
    .flatMap(([path, item]) => methods.filter(method => method in item).map(method => `${method.toUpperCase()} ${path}`))
    .toSorted();
}

/** What anybody is answered before it is known what they ask for: without a token, too often, or by another method. */
const atTheDoor: readonly number[] = [401, 405, 429];

/** The operations that were really asked for something, in order. */
export function reachedOperations({ byOperation }: Answers): readonly string[] {
  return [...byOperation]
    .filter(([, statuses]) => [...statuses].some(status => !atTheDoor.includes(status)))
    .map(([operation]) => operation)
    .toSorted();
}

/** The statuses from 500 on that were answered at all. */
export function serverErrors({ byStatus }: Answers): readonly number[] {
  return [...byStatus.keys()].filter(status => status >= 500);
}

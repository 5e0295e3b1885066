import { InvalidRequest } from './problem.ts';
import type { Page, PageQuery } from './service.ts';

// A cursor is the id of the last item seen, in a form that tells nobody to make their own.

export function encodeCursor(id: string): string {
  return Buffer.from(`1:${id}`).toString('base64url');
}

/** What a list’s query asks for. REQUEST_INVALID for a cursor that no answer contained; `valid` tells the ids of this list. */
export function pageQueryOf(query: { readonly limit: number; readonly continue?: string }, valid: RegExp): PageQuery {
  if (query.continue === undefined) return { limit: query.limit };
  const [version, id = ''] = Buffer.from(query.continue, 'base64url').toString('latin1').split(/:(.*)/s);
  if (version !== '1' || !valid.test(id) || encodeCursor(id) !== query.continue) {
    throw new InvalidRequest('continue is not one that this list gave out', [{ pointer: '/query/continue', detail: 'is no cursor' }]);
  }
  return { limit: query.limit, after: id };
}

export function pageView<T, V>({ items, next }: Page<T>, view: (item: T) => V) {
  return { items: items.map(view), ...(next !== undefined && { continue: encodeCursor(next) }) };
}

import type { Page, PageQuery } from './service.ts';

// A cursor is the id of the last item seen, which stays good when that item is deleted.

export function pageQueryOf({ limit, continue: after }: { readonly limit: number; readonly continue?: string }): PageQuery {
  return { limit, ...(after !== undefined && { after }) };
}

export function pageView<T, V>({ items, next }: Page<T>, view: (item: T) => V) {
  return { items: items.map(view), ...(next !== undefined && { continue: next }) };
}

import type { ServiceEvent } from '../api/service.ts';

export interface EventBus {
  publish(event: ServiceEvent): void;
  subscribe(listener: (event: ServiceEvent) => void): () => void;
}

/** Listeners are called at once, in the order of their subscription, and must not throw. */
export function createEventBus(): EventBus {
  const listeners = new Set<(event: ServiceEvent) => void>();
  return {
    publish: event => {
      for (const listener of listeners) listener(event);
    },
    subscribe: listener => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export interface SlotLimits {
  /** In all. */
  readonly parallel: number;
  readonly parallelPerNode: number;
}

export interface Slot {
  /** Says where its mover was placed, once that is known. */
  placed(node: string): void;
  release(): void;
}

/** Who may run now. The order of asking is kept among those that wait for the same thing. */
export interface Slots {
  /** `node`: where it has to run; `nodes`: how many there are to run on. */
  take(where: { readonly node?: string | undefined; readonly nodes: number }, signal: AbortSignal): Promise<Slot>;
  /** Nodes that have as many movers as they should. */
  full(): string[];
}

interface Waiting {
  readonly node: string | undefined;
  readonly nodes: number;
  readonly start: () => void;
}

export function createSlots({ parallel, parallelPerNode }: SlotLimits): Slots {
  const byNode = new Map<string, number>();
  const waiting: Waiting[] = [];
  let running = 0;

  const add = (node: string, change: number) => byNode.set(node, (byNode.get(node) ?? 0) + change);
  const fits = ({ node, nodes }: Waiting): boolean =>
    running < Math.min(parallel, parallelPerNode * Math.max(1, nodes)) && (node === undefined || (byNode.get(node) ?? 0) < parallelPerNode);

  function next(): void {
    for (let i = waiting.findIndex(fits); i >= 0; i = waiting.findIndex(fits)) waiting.splice(i, 1)[0]?.start();
  }

  function occupy(pinned: string | undefined): Slot {
    let node = pinned;
    let held = true;
    running += 1;
    if (node !== undefined) add(node, 1);
    return {
      placed: where => {
        if (node !== undefined || !held) return;
        node = where;
        add(node, 1);
      },
      release: () => {
        if (!held) return;
        held = false;
        running -= 1;
        if (node !== undefined) add(node, -1);
        next();
      },
    };
  }

  return {
    take: ({ node, nodes }, signal) => {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<Slot>();
      const aborted = () => {
        const at = waiting.indexOf(me);
        if (at >= 0) waiting.splice(at, 1);
        reject(signal.reason);
      };
      const me: Waiting = {
        node,
        nodes,
        start: () => {
          signal.removeEventListener('abort', aborted);
          resolve(occupy(node));
        },
      };
      signal.addEventListener('abort', aborted, { once: true });
      waiting.push(me);
      next();
      return promise;
    },
    full: () => [...byNode].filter(([, count]) => count >= parallelPerNode).map(([node]) => node),
  };
}

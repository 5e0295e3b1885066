export interface SlotLimits {
  /** In all. */
  readonly parallel: number;
  readonly parallelPerNode: number;
}

export interface Slot {
  /** Below `parallelPerNode`. No two movers of one number may be on one node, so that no node has more than it should, wherever it was placed. */
  readonly number: number;
  /** Says where its mover was placed, once that is known. */
  placed(node: string): void;
  release(): void;
}

/** Who may run now. The order of asking is kept among those that wait for the same thing. */
export interface Slots {
  /** `node`: where it has to run; `nodes`: how many there are to run on. */
  take(where: { readonly node?: string | undefined; readonly nodes: number }, signal: AbortSignal): Promise<Slot>;
}

interface Waiting {
  readonly node: string | undefined;
  readonly nodes: number;
  readonly start: () => void;
}

export function createSlots({ parallel, parallelPerNode }: SlotLimits): Slots {
  const taken = new Set<{ readonly number: number; node: string | undefined }>();
  const waiting: Waiting[] = [];

  const on = (node: string) => [...taken].filter(one => one.node === node);
  const fits = ({ node, nodes }: Waiting): boolean =>
    taken.size < Math.min(parallel, parallelPerNode * Math.max(1, nodes)) && (node === undefined || on(node).length < parallelPerNode);

  function next(): void {
    for (let i = waiting.findIndex(fits); i >= 0; i = waiting.findIndex(fits)) waiting.splice(i, 1)[0]?.start();
  }

  /** One that its node has not, then the one that the fewest have: as many of a number as nodes find a place. */
  function freeNumber(node: string | undefined): number {
    const count = (number: number, of: Iterable<{ readonly number: number }>) => [...of].filter(one => one.number === number).length;
    const weight = (number: number) => (node === undefined ? 0 : count(number, on(node)) * (parallel + 1)) + count(number, taken);
    let best = 0;
    for (let number = 1; number < Math.min(parallelPerNode, parallel); number += 1) if (weight(number) < weight(best)) best = number;
    return best;
  }

  function occupy(pinned: string | undefined): Slot {
    const mine = { number: freeNumber(pinned), node: pinned };
    taken.add(mine);
    return {
      number: mine.number,
      placed: where => {
        mine.node ??= where;
      },
      release: () => {
        if (taken.delete(mine)) next();
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
  };
}

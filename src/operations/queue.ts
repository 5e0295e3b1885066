import type { Job } from './job.ts';

/** Jobs that wait, and how many may run at once. */
export interface Queue {
  /**
   * Starts the job now or when there is room, in the order in which jobs came; one of a lane at a time. Those of callers who are restricted to
   * namespaces have lanes of their own and a part of the room, so that what the whole cluster needs never waits for theirs.
   */
  add(job: Job): void;
  /** Takes a job that has not started out; false when it has. */
  remove(job: Job): boolean;
  /** Jobs that wait. */
  waiting(): readonly Job[];
  /** Jobs that run. */
  running(): readonly Job[];
}

/** `run` never rejects. */
export function createQueue(most: number, run: (job: Job) => Promise<void>): Queue {
  const waiting: Job[] = [];
  const running = new Set<Job>();
  const next = (): void => {
    const lanes = new Set(Array.from(running, laneOf).filter(lane => lane !== undefined));
    while (running.size < most) {
      const guests = [...running].filter(isGuest).length;
      const fits = (job: Job): boolean => {
        const lane = laneOf(job);
        return (lane === undefined || !lanes.has(lane)) && !(isGuest(job) && guests >= Math.max(1, Math.floor(most / 3)));
      };
      const at = waiting.findIndex(fits);
      const [job] = at < 0 ? [] : waiting.splice(at, 1);
      if (job === undefined) return;
      const lane = laneOf(job);
      if (lane !== undefined) lanes.add(lane);
      running.add(job);
      void run(job).finally(() => {
        running.delete(job);
        next();
      });
    }
  };
  return {
    add: job => {
      waiting.push(job);
      next();
    },
    remove: job => {
      const at = waiting.indexOf(job);
      if (at >= 0) waiting.splice(at, 1);
      return at >= 0;
    },
    waiting: () => [...waiting],
    running: () => [...running],
  };
}

function isGuest({ request }: Job): boolean {
  return request.namespaces !== undefined;
}

function laneOf(job: Job): string | undefined {
  return job.lane !== undefined && isGuest(job) ? `${job.lane} of ${job.request.actor.name}` : job.lane;
}

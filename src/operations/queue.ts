import type { Job } from './job.ts';

/** Jobs that wait, and how many may run at once. */
export interface Queue {
  /** Starts the job now or when there is room, in the order in which jobs came; one of a lane at a time. */
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
    const lanes = new Set(Array.from(running, job => job.lane).filter(lane => lane !== undefined));
    while (running.size < most) {
      const at = waiting.findIndex(job => job.lane === undefined || !lanes.has(job.lane));
      const [job] = at < 0 ? [] : waiting.splice(at, 1);
      if (job === undefined) return;
      if (job.lane !== undefined) lanes.add(job.lane);
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

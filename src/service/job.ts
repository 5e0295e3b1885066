import type { Submission, Work } from '../operations/job.ts';

/** A job, ready for the engine. */
export interface Prepared {
  readonly submission: Omit<Submission, 'idempotency'>;
  readonly work: Work;
  /** Called when the job has ended, or is not started after all: lets go of what it held. */
  readonly release?: () => void;
}

import type { Submission, Work } from '../operations/job.ts';

/** A job, ready for the engine. */
export interface Prepared {
  readonly submission: Omit<Submission, 'idempotency'>;
  readonly work: Work;
  /** Called once where the job is not started after all. */
  readonly discard?: () => void;
}

import { asHoldfastError, type ErrorCode } from '../domain/errors.ts';
import {
  noActions,
  problemLimit,
  type RestoreAction,
  type RestoreProblem,
  type RestoreStep,
  type StepOutcome,
} from '../domain/restore-plan.ts';

type Counts = Record<RestoreAction, number>;

interface StepTally {
  readonly counts: Counts;
  durationMs: number;
}

/** Counts what a restore does, and keeps what went wrong: bounded, however much that is. */
export class Tally {
  readonly #steps = new Map<RestoreStep, StepTally>();
  readonly #failures: RestoreProblem[] = [];
  readonly #warnings: RestoreProblem[] = [];
  readonly #groups = new Map<string, { problem: RestoreProblem; objects: number }>();
  #problems = 0;
  #failed = 0;
  writes = 0;
  bytes = 0;
  objects = 0;
  /** Among what was created, but not out of the backup. */
  madeNamespaces = 0;

  count(step: RestoreStep, action: RestoreAction, by = 1): void {
    this.#of(step).counts[action] += by;
  }

  took(step: RestoreStep, ms: number): void {
    this.#of(step).durationMs += ms;
  }

  warn(item: string, message: string, code: ErrorCode = 'RESTORE_PARTIAL'): void {
    this.#keep(this.#warnings, { severity: 'warning', item, code, message });
  }

  failed(item: string, thrown: unknown): void {
    const { code, message } = asHoldfastError(thrown);
    this.#failed++;
    this.#keep(this.#failures, { severity: 'failed', item, code, message });
  }

  /** One problem for many objects: a kind that is not served, a namespace that does not go away. */
  failedTogether(item: string, code: ErrorCode, message: string): void {
    const group = this.#groups.get(item) ?? { problem: { severity: 'failed', item, code, message }, objects: 0 };
    group.objects++;
    this.#groups.set(item, group);
  }

  /** Did anything not come back, named among the problems or not? */
  get anyFailed(): boolean {
    return this.#failed > 0 || this.#groups.size > 0;
  }

  /** Failures first: a thousand warnings must not hide one. */
  get problems(): readonly RestoreProblem[] {
    const groups = Array.from(this.#groups.values(), ({ problem, objects }) => ({ ...problem, objects }));
    return [...groups, ...this.#failures, ...this.#warnings].slice(0, problemLimit);
  }

  get problemsOmitted(): number {
    return this.#groups.size + this.#problems - this.problems.length;
  }

  get totals(): Counts {
    const totals = noActions();
    for (const { counts } of this.#steps.values()) {
      for (const [action, number] of Object.entries(counts)) totals[action as RestoreAction] += number;
    }
    return totals;
  }

  get steps(): readonly StepOutcome[] {
    return Array.from(this.#steps, ([step, { counts, durationMs }]) => ({ step, counts, durationMs: Math.round(durationMs) }));
  }

  #of(step: RestoreStep): StepTally {
    const known = this.#steps.get(step) ?? { counts: noActions(), durationMs: 0 };
    this.#steps.set(step, known);
    return known;
  }

  #keep(among: RestoreProblem[], problem: RestoreProblem): void {
    this.#problems++;
    if (among.length < problemLimit) among.push(problem);
  }
}

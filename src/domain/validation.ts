import type { FieldDifference } from './restore-plan.ts';

export type CheckState = 'passed' | 'failed' | 'warning' | 'skipped';

/** One finding below a check: an object that is missing or differs, or a remark. */
export interface ValidationFinding {
  /** `configmaps agents/settings` */
  readonly item: string;
  readonly message: string;
  readonly differences?: readonly FieldDifference[];
}

export interface ValidationCheck {
  /** `equality/configmaps`, `platform/workflow`, `platform/coderun`. */
  readonly name: string;
  readonly state: CheckState;
  /** What was found, or why the check was skipped, in one sentence. */
  readonly message: string;
  /** Objects looked at. */
  readonly objects: number;
  readonly durationMs: number;
  /** At most `findingLimit`. */
  readonly findings: readonly ValidationFinding[];
  readonly findingsOmitted: number;
}

/** `failed` when any check failed; skipped checks and warnings do not fail it. */
export interface ValidationReport {
  readonly backup: string;
  readonly server: string;
  /** RFC 3339, UTC. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly state: 'passed' | 'failed';
  readonly checks: readonly ValidationCheck[];
}

export const findingLimit = 200;

export function validationState(checks: readonly ValidationCheck[]): ValidationReport['state'] {
  return checks.some(check => check.state === 'failed') ? 'failed' : 'passed';
}

import type { ErrorCode } from '../domain/errors.ts';

/** Findings that a report names; a set that is damaged throughout has millions. */
const mostFindings = 1000;

export interface Finding {
  /** `note`: worth knowing, but the set is whole. */
  readonly severity: 'error' | 'note';
  readonly code: ErrorCode;
  /** Key of the file, or the object. */
  readonly item: string;
  readonly message: string;
}

/** Gathers what a verification sees; shared by its parts. */
export interface Findings {
  error(code: ErrorCode, item: string, message: string): void;
  note(code: ErrorCode, item: string, message: string): void;
  readonly named: readonly Finding[];
  readonly unnamed: number;
  readonly failed: boolean;
}

export function gatherFindings(): Findings {
  const named: Finding[] = [];
  let total = 0;
  let failed = false;
  const add = (finding: Finding): void => {
    total++;
    if (finding.severity === 'error') failed = true;
    if (named.length < mostFindings) named.push(finding);
  };
  return {
    error: (code, item, message) => add({ severity: 'error', code, item, message }),
    note: (code, item, message) => add({ severity: 'note', code, item, message }),
    named,
    get unnamed() {
      return total - named.length;
    },
    get failed() {
      return failed;
    },
  };
}

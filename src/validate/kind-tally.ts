import { findingLimit, type ValidationCheck, type ValidationFinding } from '../domain/validation.ts';

/** What the comparison found of one kind. */
export class KindTally {
  readonly #kind: string;
  readonly #findings: ValidationFinding[] = [];
  #omitted = 0;
  objects = 0;
  equal = 0;
  movedOn = 0;
  excluded = 0;
  missing = 0;
  different = 0;
  unreadable = '';

  constructor(kind: string) {
    this.#kind = kind;
  }

  find(finding: ValidationFinding): void {
    if (this.#findings.length < findingLimit) this.#findings.push(finding);
    else this.#omitted++;
  }

  check(durationMs: number): ValidationCheck {
    const failed = this.missing + this.different > 0 || this.unreadable !== '';
    return {
      name: `equality/${this.#kind}`,
      state: failed ? 'failed' : 'passed',
      message: this.unreadable === '' ? this.#message() : this.unreadable,
      objects: this.objects,
      durationMs,
      findings: this.#findings,
      findingsOmitted: this.#omitted,
    };
  }

  #message(): string {
    const parts: [number, string][] = [
      [this.equal, 'equal'],
      [this.missing, 'missing'],
      [this.different, 'different'],
      [this.movedOn, 'equal but for what their controllers wrote since'],
      [this.excluded, 'not brought back on purpose'],
    ];
    return parts.flatMap(([number, what]) => (number === 0 ? [] : [`${number} ${what}`])).join(', ') || 'nothing to compare';
  }
}

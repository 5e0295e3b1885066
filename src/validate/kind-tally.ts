import { type CheckState, findingLimit, type ValidationCheck, type ValidationFinding } from '../domain/validation.ts';

/** What was found for one kind, growing object by object; keeps a bounded number of findings. */
export class KindTally {
  readonly #kind: string;
  readonly #findings: ValidationFinding[] = [];
  readonly #leftOut = new Map<string, number>();
  #omitted = 0;
  #equal = 0;
  #failed = 0;
  #warned = 0;
  #began = performance.now();

  constructor(kind: string) {
    this.#kind = kind;
  }

  get looked(): number {
    return this.#equal + this.#failed + this.#warned + [...this.#leftOut.values()].reduce((sum, count) => sum + count, 0);
  }

  equal(): void {
    this.#equal++;
  }

  /** Not brought back on purpose, and so not missed. */
  leftOut(reason: string): void {
    this.#leftOut.set(reason, (this.#leftOut.get(reason) ?? 0) + 1);
  }

  failed(finding: ValidationFinding): void {
    this.#failed++;
    this.#keep(finding);
  }

  warned(finding: ValidationFinding): void {
    this.#warned++;
    this.#keep(finding);
  }

  check(): ValidationCheck {
    const state: CheckState = this.#failed > 0 ? 'failed' : this.#warned > 0 ? 'warning' : this.#equal > 0 ? 'passed' : 'skipped';
    return {
      name: `equality/${this.#kind}`,
      state,
      message: this.#message(),
      objects: this.#equal + this.#failed + this.#warned,
      durationMs: Math.round(performance.now() - this.#began),
      findings: this.#findings,
      findingsOmitted: this.#omitted,
    };
  }

  #message(): string {
    const parts = [
      this.#equal > 0 ? `${this.#equal} equal` : '',
      this.#failed > 0 ? `${this.#failed} missing or different` : '',
      this.#warned > 0 ? `${this.#warned} different by the cluster’s own doing` : '',
      ...[...this.#leftOut].map(([reason, count]) => `${count} not restored on purpose (${reason})`),
    ];
    return parts.filter(part => part !== '').join(', ');
  }

  #keep(finding: ValidationFinding): void {
    if (this.#findings.length < findingLimit) this.#findings.push(finding);
    else this.#omitted++;
  }
}

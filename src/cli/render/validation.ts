import type { CheckState, ValidationCheck, ValidationReport } from '../../domain/validation.ts';
import { count, counted, duration, printable } from '../format.ts';
import type { Style } from '../style.ts';
import { table } from '../table.ts';
import { block } from './block.ts';
import { differenceLines } from './restore-plan.ts';

const signs = { passed: '✓', failed: '✗', warning: '!', skipped: '-' } as const satisfies Record<CheckState, string>;

/** A validation report, for people: the verdict, every check, and what the failed ones found. */
export function validationLines(report: ValidationReport, style: Style): string[] {
  const failed = report.checks.filter(check => check.state === 'failed').length;
  const objects = report.checks.reduce((sum, check) => sum + check.objects, 0);
  const verdict = failed === 0 ? style.good('✓ Passed') : style.bad('✗ Failed');
  return [
    `${verdict}  ${style.bold(report.backup)} on ${printable(report.server)}`,
    `  ${counted(report.checks.length, 'check')}, ${failed} failed; ${counted(objects, 'object')} looked at in ${duration(report.durationMs)}`,
    '',
    ...checkTable(report.checks, style).map(line => `  ${line}`),
    ...report.checks.flatMap(check => findings(check, style)),
    ...(failed === 0 ? [] : ['', style.bad(`✗ ${counted(failed, 'check')} failed.`)]),
  ];
}

function checkTable(checks: readonly ValidationCheck[], style: Style): string[] {
  const paint = (state: CheckState) => ({ passed: style.good, failed: style.bad, warning: style.warning, skipped: style.dim })[state];
  return table<ValidationCheck>(
    [
      { title: 'STATE', cell: check => `${signs[check.state]} ${check.state}`, paint: (text, check) => paint(check.state)(text) },
      { title: 'CHECK', cell: check => check.name },
      { title: 'OBJECTS', cell: check => (check.objects === 0 ? '' : count(check.objects)), align: 'right' },
      { title: 'TOOK', cell: check => duration(check.durationMs), align: 'right' },
      { title: 'RESULT', cell: check => printable(check.message) },
    ],
    checks,
    { style },
  );
}

function findings(check: ValidationCheck, style: Style): string[] {
  const lines = check.findings.flatMap(finding => [
    `${printable(finding.item)}: ${printable(finding.message)}`,
    ...differenceLines(finding.differences ?? [], style),
  ]);
  const more = check.findingsOmitted === 0 ? [] : [style.dim(`and ${counted(check.findingsOmitted, 'more finding')}`)];
  return block(check.name, [...lines, ...more], style);
}

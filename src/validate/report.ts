import { type ValidationCheck, type ValidationReport, validationState } from '../domain/validation.ts';

/** Puts checks together; the state is that of the worst. */
export function validationReport(parts: {
  readonly backup: string;
  readonly server: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly checks: readonly ValidationCheck[];
}): ValidationReport {
  const { backup, server, startedAt, finishedAt, checks } = parts;
  return {
    backup,
    server,
    startedAt: startedAt.toISOString(),
    durationMs: finishedAt.getTime() - startedAt.getTime(),
    state: validationState(checks),
    checks,
  };
}

/** JUnit XML as CI systems read it: one suite, one test case per check, skipped and failed ones with their message. */
export function toJUnit(report: ValidationReport): string {
  const { checks } = report;
  const count = (state: ValidationCheck['state']): number => checks.filter(check => check.state === state).length;
  const totals = `tests="${checks.length}" failures="${count('failed')}" skipped="${count('skipped')}" time="${seconds(report.durationMs)}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="holdfast validate" ${totals}>`,
    `  <testsuite name="${escapeXml(report.backup)}" ${totals} timestamp="${report.startedAt}" hostname="${escapeXml(report.server)}">`,
    ...checks.map(testCase),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function testCase(check: ValidationCheck): string {
  const [suite = '', ...rest] = check.name.split('/');
  const open = `    <testcase classname="${escapeXml(suite)}" name="${escapeXml(rest.join('/'))}" time="${seconds(check.durationMs)}"`;
  const message = escapeXml(check.message);
  const details = escapeXml(findingLines(check).join('\n'));
  if (check.state === 'failed') return `${open}><failure message="${message}">${details}</failure></testcase>`;
  if (check.state === 'skipped') return `${open}><skipped message="${message}"/></testcase>`;
  if (check.state === 'warning') return `${open}><system-out>${message}\n${details}</system-out></testcase>`;
  return `${open}/>`;
}

function findingLines(check: ValidationCheck): string[] {
  const lines = check.findings.flatMap(finding => [
    `${finding.item}: ${finding.message}`,
    ...(finding.differences ?? []).map(({ path, wanted, live }) => `  ${path}: ${wanted ?? '(none)'} → ${live ?? '(none)'}`),
  ]);
  return check.findingsOmitted > 0 ? [...lines, `and ${check.findingsOmitted} more`] : lines;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

/** Characters that XML 1.0 cannot hold at all become U+FFFD. */
export function escapeXml(text: string): string {
  return Array.from(text, char => (isXmlChar(char) ? (entities[char] ?? char) : '\uFFFD')).join('');
}

/** XML 1.0 §2.2. */
function isXmlChar(char: string): boolean {
  const code = char.codePointAt(0) ?? 0;
  return [9, 10, 13].includes(code) || (code >= 0x20 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0xfffd) || code >= 0x10000;
}

import { describe, expect, it } from 'vitest';
import type { ValidationCheck } from '../domain/validation.ts';
import { escapeXml, toJUnit, validationReport } from './report.ts';

function check(name: string, state: ValidationCheck['state'], message = 'as it was'): ValidationCheck {
  const findings =
    state === 'failed' ? [{ item: 'configmaps a/b', message: 'differs', differences: [{ path: '/data/x', wanted: '"<1>"' }] }] : [];
  return { name, state, message, objects: 1, durationMs: 1500, findings, findingsOmitted: 0 };
}

const at = new Date('2026-11-23T02:00:00Z');
const report = (checks: ValidationCheck[]) =>
  validationReport({ backup: 'b', server: 's', startedAt: at, finishedAt: new Date(at.getTime() + 4000), checks });

describe('validation report', () => {
  it('passes with warnings and skipped checks, and fails with one failed check', () => {
    expect(report([check('a/b', 'passed'), check('a/c', 'warning'), check('a/d', 'skipped')]).state).toBe('passed');
    expect(report([check('a/b', 'passed'), check('a/c', 'failed')]).state).toBe('failed');
  });

  it('counts tests, failures and skipped ones as JUnit does, and says what differs', () => {
    const xml = toJUnit(
      report([
        check('equality/configmaps', 'failed'),
        check('platform/workflow', 'skipped', 'not "served"'),
        check('equality/pods', 'passed'),
      ]),
    );
    expect(xml).toContain('<testsuites name="holdfast validate" tests="3" failures="1" skipped="1" time="4.000">');
    expect(xml).toContain(
      '<testcase classname="equality" name="configmaps" time="1.500"><failure message="as it was">configmaps a/b: differs',
    );
    expect(xml).toContain('/data/x: &quot;&lt;1&gt;&quot; → (none)');
    expect(xml).toContain('<skipped message="not &quot;served&quot;"/>');
  });

  it('holds no character that XML cannot hold', () => {
    expect(escapeXml('a\u0000b\u001b[1m<&>\ud800')).toBe('a\uFFFDb\uFFFD[1m&lt;&amp;&gt;\uFFFD');
    expect(escapeXml('tab\tline\n🛟')).toBe('tab\tline\n🛟');
  });
});

import { describe, expect, it } from 'vitest';
import { noActions, type PlannedObject, type RestoreOutcome, type RestorePlan } from '../../domain/restore-plan.ts';
import { plainStyle as style } from '../style.ts';
import { restoreOutcome } from './restore-outcome.ts';
import { planLines, plannedNames, writesOf } from './restore-plan.ts';

const objects: PlannedObject[] = [
  { kind: 'configmaps', namespace: 'agents', name: 'new', action: 'create' },
  {
    kind: 'configmaps',
    namespace: 'agents',
    name: 'settings',
    action: 'update',
    differences: [
      { path: '/data/key', wanted: '"backup"', live: '"live"' },
      { path: '/data/added', live: '"x"' },
    ],
  },
  { kind: 'pods', namespace: 'agents', name: 'web-1', action: 'exclude', reason: 'made anew by its owner' },
  { kind: 'pods', namespace: 'agents', name: 'web-2', action: 'exclude', reason: 'made anew by its owner' },
];
const secret: PlannedObject = {
  kind: 'secrets',
  namespace: 'agents',
  name: 'app',
  action: 'recreate',
  differences: [{ path: '/data/token' }],
};

function plan(change: Partial<RestorePlan> = {}): RestorePlan {
  const counts = { ...noActions(), create: 1, update: 1, exclude: 2 };
  return {
    backup: '20261123T020000Z-daily-k3f9',
    server: 'https://b:6443',
    existing: 'update',
    namespaceMapping: {},
    steps: [
      { step: 'configmaps', counts, objects },
      { step: 'secrets', counts: { ...noActions(), recreate: 1 }, objects: [secret] },
    ],
    totals: { ...counts, recreate: 1 },
    volumes: [],
    problems: [],
    digest: 'd',
    ...change,
  };
}

const text = (of: RestorePlan, options: { diff?: boolean; objects?: boolean } = {}) => planLines(of, { style, ...options }).join('\n');

describe('a restore plan', () => {
  it('counts by step, in order, with only the columns that have something', () => {
    const lines = text(plan()).split('\n');
    expect(lines[0]).toBe('Restore plan: 20261123T020000Z-daily-k3f9 → https://b:6443');
    expect(lines).toContain('  STEP             CREATE   UPDATE   RECREATE   EXCLUDED');
    expect(lines).toContain('   1  configmaps        1        1          -          2');
    expect(lines).toContain('   2  secrets           -        -          1          -');
    expect(lines).toContain('      total             1        1          1          2');
  });

  it('shows differing fields with --diff, and never a Secret’s', () => {
    expect(text(plan(), { diff: true })).toContain(
      [
        '  ~ update configmaps agents/settings',
        '      /data/key',
        '        - "live"',
        '        + "backup"',
        '      /data/added',
        '        - "x"',
      ].join('\n'),
    );
    expect(text(plan(), { diff: true })).toContain('/data/token\n        (contents of Secrets are not shown)');
    expect(text(plan())).not.toContain('/data/key');
  });

  it('always names what would be deleted first', () => {
    expect(text(plan())).toContain('± recreate secrets agents/app');
    expect(text(plan())).toContain('3 objects would be written, 1 of them after deleting what is there.');
  });

  it('says why objects are left as they are', () => {
    expect(text(plan())).toMatch(/pods +2 +agents\/web-1, agents\/web-2 +made anew by its owner/);
  });

  it('says that nothing is to be done', () => {
    const totals = { ...noActions(), 'skip-equal': 5 };
    expect(text(plan({ steps: [{ step: 'configmaps', counts: totals, objects: [] }], totals }))).toContain('✓ Nothing to do');
  });

  it('does not say that everything is there where something differs', () => {
    const totals = { ...noActions(), 'skip-equal': 5, 'skip-differs': 1 };
    const lines = text(plan({ steps: [{ step: 'configmaps', counts: totals, objects: [] }], totals }));
    expect(lines).toContain('nothing would be written, 1 object differs and stays as it is (--existing=');
    expect(lines).not.toContain('Nothing to do');
  });

  it('names problems and warnings apart', () => {
    const problems = [
      { severity: 'failed', item: 'widgets.example.com', code: 'CLUSTER_NOT_FOUND', message: 'not served', objects: 4 },
      { severity: 'warning', item: 'services a/b', code: 'CLUSTER_REJECTED', message: 'other node port' },
    ] as const;
    const lines = text(plan({ problems, totals: { ...noActions(), fail: 4 } }));
    expect(lines).toMatch(/Problems\n.*\n {2}widgets\.example\.com +4 +CLUSTER_NOT_FOUND +not served/);
    expect(lines).toMatch(/To know\n.*\n {2}services a\/b +- +CLUSTER_REJECTED +other node port/);
    expect(lines).toContain('4 objects cannot be restored.');
  });

  it('shows how namespaces are renamed', () => {
    expect(text(plan({ namespaceMapping: { a: 'b' } }))).toContain('Namespaces: a → b');
  });

  it('says of each claim where its data comes from, or why from nowhere', () => {
    const volumes: RestorePlan['volumes'] = [
      { namespace: 'agents', claim: 'workspace', source: 'repository', action: 'fill', reason: 'the snapshot was not kept', bytes: 2048 },
      { namespace: 'agents', claim: 'cache', source: 'none', action: 'fail', reason: 'it was gone', code: 'VOLUME_DATA_MISSING', bytes: 0 },
    ];
    const shown = text(plan({ volumes }));
    expect(shown).toMatch(/agents\/workspace +fill +repository +2.00 KiB +the snapshot was not kept/);
    expect(shown).toMatch(/agents\/cache +fail +none +- +it was gone/);
  });

  it('lists what would be written by name', () => {
    expect(plannedNames(plan())).toEqual(['agents/configmaps/new', 'agents/configmaps/settings', 'agents/secrets/app']);
    expect(writesOf(plan().totals)).toBe(3);
  });
});

describe('the outcome of a restore', () => {
  const outcome: RestoreOutcome = {
    phase: 'PartiallyFailed',
    backup: '20261123T020000Z-daily-k3f9',
    server: 'https://b:6443',
    steps: [{ step: 'configmaps', counts: { ...noActions(), create: 7, fail: 1 }, durationMs: 1500 }],
    totals: { ...noActions(), create: 7, fail: 1 },
    writes: 9,
    bytes: 2048,
    objects: 8,
    durationMs: 2000,
    volumes: [],
    problems: [{ severity: 'failed', item: 'configmaps a/b', code: 'CLUSTER_REJECTED', message: 'exceeded quota' }],
    problemsOmitted: 3,
  };

  it('says what came back, what did not and why, and what to do', () => {
    const lines = restoreOutcome(outcome, style).join('\n');
    expect(lines).toMatch(
      /^! PartiallyFailed {2}restore of 20261123T020000Z-daily-k3f9\n {2}1 object did not come back; run the same command again/,
    );
    expect(lines).toContain('7 objects by 9 requests');
    expect(lines).toMatch(/1 {2}configmaps +7 +1 +1\.5s/);
    expect(lines).toMatch(/configmaps a\/b +- +CLUSTER_REJECTED +exceeded quota/);
    expect(lines).toContain('and 3 more problems');
  });

  it('says what differs and stayed, and how to see it', () => {
    const lines = restoreOutcome({ ...outcome, totals: { ...noActions(), 'skip-differs': 2 } }, style).join('\n');
    expect(lines).toContain('2 objects differ and stay as they are: holdfast restore plan 20261123T020000Z-daily-k3f9 --diff shows how.');
  });

  it('says what to do about what stopped it', () => {
    const lines = restoreOutcome({ ...outcome, phase: 'Failed', stoppedBy: 'BACKUP_CORRUPT' }, style).join('\n');
    expect(lines).toContain('hint: do not restore from it');
  });
});

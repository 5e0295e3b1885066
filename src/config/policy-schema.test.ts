import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { policyHooks } from '../domain/policy.ts';
import { everything } from '../domain/selection.ts';
import { defaultPolicies } from './default-policy.ts';
import { PolicyMap, policiesFrom } from './policy-schema.ts';

const policies = (text: string) => policiesFrom(PolicyMap.parse(parse(text)));

function problem(text: string): string {
  const { error } = PolicyMap.safeParse(parse(text));
  const [issue] = error?.issues ?? [];
  if (issue === undefined) throw new Error('it is valid');
  const inner = issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined;
  return `${issue.path.join('.')}: ${inner ?? issue.message}`;
}

const runbook = `
platform:
  objectives: {rpo: 26h, rto: 1h}
  tiers:
    daily: {schedule: "0 2 * * *", keep: 30d, parts: [resources, volumeSnapshots]}
    weekly: {schedule: "0 2 * * 0", keep: 12w, parts: [resources, volumeSnapshots, artifacts]}
    monthly: {schedule: "0 2 1 * *", keep: 12mo, parts: [resources, volumeSnapshots, volumeData, artifacts, offsiteCopy]}
    yearly: {promote: {from: monthly, lastOf: year}, keep: 7y}
`;

describe('policies', () => {
  it('by default are those that the runbook states, written out', () => {
    expect(policies(runbook)).toEqual(defaultPolicies);
  });

  it('give their hooks to all tiers with runs of their own', () => {
    const [policy, plain] = policies(`
databases:
  hooks:
    - {namespaces: "db-*", quiesce: [freeze], thaw: thaw it, timeout: 20s}
    - {quiesce: sync, onError: continue}
  tiers:
    hourly: {schedule: "@hourly", keep: 24h}
    daily: {schedule: "@daily", keep: 7d}
    weekly: {promote: {from: daily, lastOf: month}, keep: 7y}
plain:
  tiers:
    daily: {schedule: "@daily", keep: 7d}
`);
    const hooks = [
      { namespaces: ['db-*'], labelSelector: '', quiesce: ['freeze'], thaw: ['sh', '-c', 'thaw it'], onError: 'fail', timeoutMs: 20_000 },
      { namespaces: [], labelSelector: '', quiesce: ['sh', '-c', 'sync'], thaw: [], onError: 'continue' },
    ];
    expect(policy?.tiers).toMatchObject([{ scope: { hooks } }, { scope: { hooks } }, { name: 'weekly' }]);
    expect(policyHooks([policy!, plain!])).toEqual(hooks);
    expect(plain?.tiers[0]).not.toHaveProperty('scope.hooks');
    expect(problem('a: {hooks: [{namespaces: x}], tiers: {b: {schedule: "@daily", keep: 7d}}}')).toBe('a.hooks.0: needs quiesce or thaw');
  });

  it('pass time zone and selection on to their tiers, which may say otherwise', () => {
    const [policy] = policies(`
team:
  timeZone: Europe/Vienna
  selection: {includeNamespaces: "team-*"}
  suspend: true
  initialBackup: false
  tiers:
    hourly: {schedule: "@hourly", keep: 24h, startingDeadline: 10m, jitter: 90s, suspend: true, objectives: {rpo: 2h}}
    nightly: {schedule: "0 3 * * *", keep: 7d, timeZone: Asia/Tokyo, selection: {excludeKinds: [secrets]}}
`);
    expect(policy).toMatchObject({ name: 'team', suspend: true, initialBackup: false, objectives: {} });
    expect(policy?.tiers).toEqual([
      {
        name: 'hourly',
        schedule: '@hourly',
        timeZone: 'Europe/Vienna',
        keep: { count: 24, unit: 'hour' },
        scope: { selection: { ...everything, includeNamespaces: ['team-*'] }, parts: ['resources'] },
        suspend: true,
        startingDeadlineMs: 600_000,
        jitterMs: 90_000,
        objectives: { rpoMs: 7_200_000 },
      },
      expect.objectContaining({
        timeZone: 'Asia/Tokyo',
        scope: { selection: { ...everything, excludeKinds: ['secrets'] }, parts: ['resources'] },
        jitterMs: 0,
        suspend: false,
      }),
    ]);
  });

  it('ask for an off-site copy where a tier names locations', () => {
    const [policy] = policies('{team: {tiers: {nightly: {schedule: "@daily", keep: 7d, locations: [offsite, vault]}}}}');
    expect(policy?.tiers[0]).toMatchObject({ scope: { parts: ['resources', 'offsiteCopy'], locations: ['offsite', 'vault'] } });
  });

  it('keep the order in which they and their tiers are written', () => {
    const both = policies(
      '{b: {tiers: {z: {schedule: "@daily", keep: 1y}, a: {schedule: "@weekly", keep: 1y}}}, a: {tiers: {t: {schedule: "@daily", keep: 1y}}}}',
    );
    expect(both.map(policy => [policy.name, policy.tiers.map(tier => tier.name)])).toEqual([
      ['b', ['z', 'a']],
      ['a', ['t']],
    ]);
  });

  it('may be none', () => expect(policies('{}')).toEqual([]));

  it.each([
    ['p: {}', 'p.tiers: must be a map of tiers'],
    ['p: {tiers: {}}', 'p.tiers: must have a tier at least'],
    ['p: {tiers: {t: {keep: 1d}}}', 'p.tiers.t: needs a schedule, or promote to keep sets of another tier'],
    ['p: {tiers: {t: {schedule: "@daily"}}}', 'p.tiers.t.keep: must be a period such as 24h, 30d, 12w, 12mo or 7y'],
    ['p: {tiers: {t: {schedule: "@daily", keep: 30}}}', 'p.tiers.t.keep: must be a period such as 24h, 30d, 12w, 12mo or 7y'],
    ['p: {tiers: {t: {schedule: "@daily", keep: 0d}}}', 'p.tiers.t.keep: must be a period such as 24h, 30d, 12w, 12mo or 7y, not "0d"'],
    ['p: {tiers: {t: {schedule: "@daily", keep: 30m}}}', 'p.tiers.t.keep: must be a period such as 24h, 30d, 12w, 12mo or 7y, not "30m"'],
    [
      'p: {tiers: {t: {schedule: "@daily", keep: 1d, parts: []}}}',
      'p.tiers.t.parts: must not be empty: there are resources, volumeSnapshots,',
    ],
    [
      'p: {tiers: {t: {schedule: "@daily", keep: 1d, parts: [disks]}}}',
      'p.tiers.t.parts.0: must be resources, volumeSnapshots, volumeData,',
    ],
    ['p: {tiers: {t: {schedule: "@daily", keep: 1d, parts: [resources, resources]}}}', 'p.tiers.t.parts: must not name one twice'],
    ['p: {timeZone: Mars/Olympus, tiers: {}}', 'p.timeZone: must be a time zone such as UTC or Europe/Vienna, not "Mars/Olympus"'],
    ['p: {timeZone: "+01:00", tiers: {}}', 'p.timeZone: must be a time zone'],
    ['p: {tiers: {Daily: {schedule: "@daily", keep: 1d}}}', 'p.tiers.Daily: must be lower-case letters and digits'],
    ['"24": {tiers: {}}', '24: must be lower-case letters and digits with single dashes between, and begin with a letter'],
    [
      'p: {tiers: {a: {schedule: "@daily", keep: 1d}, y: {keep: 7y, promote: {from: monthly, lastOf: year}}}}',
      'p.tiers.y.promote.from: names no tier with a schedule; there are a',
    ],
    [
      'p: {tiers: {x: {keep: 7y, promote: {from: y, lastOf: year}}, y: {keep: 7y, promote: {from: x, lastOf: year}}}}',
      'p.tiers.x.promote.from: names no tier with a schedule; there is none',
    ],
    [
      'p: {tiers: {a: {schedule: "@daily", keep: 1d}, y: {keep: 7y, promote: {from: a, lastOf: year}, parts: [resources]}}}',
      'p.tiers.y.parts: cannot be set where there is promote',
    ],
    ['p: {tiers: {t: {schedule: "@daily", keep: 1d, jitter: soon}}}', 'p.tiers.t.jitter: must be a duration such as 90s'],
  ])('are refused with the place: %s', (text, message) => {
    expect(problem(text)).toContain(message);
  });
});

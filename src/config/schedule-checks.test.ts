import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { nextFire, parseSchedule } from '../schedule/cron.ts';
import { defaultPolicies } from './default-policy.ts';
import { PolicyMap, policiesFrom } from './policy-schema.ts';
import { checkSchedules, type ScheduleRules } from './schedule-checks.ts';

const rules: ScheduleRules = {
  parse: text => {
    const schedule = parseSchedule(text);
    return { next: after => nextFire(schedule, 'UTC', after) };
  },
};

const check = (tiers: string, rest = '') =>
  checkSchedules({}, policiesFrom(PolicyMap.parse(parse(`p: {tiers: {${tiers}}${rest}}`))), rules);
const said = (tiers: string, rest?: string) =>
  check(tiers, rest).map(({ severity, path, message }) => `${severity} ${path.join('.')} ${message}`);

describe('schedules', () => {
  it('of the default policy have nothing wrong with them', () => expect(checkSchedules({}, defaultPolicies, rules)).toEqual([]));

  it.each([
    ['0 25 * * *', 'hour "25"'],
    ['0 2 * *', 'it has 4 of five fields'],
    ['0 0 2 * * *', 'seconds are not offered'],
    ['@fortnightly', 'there is no nickname @fortnightly'],
    ['0 0 30 2 *', 'day of month "30" is in no month "2"'],
  ])('that are none are refused, with the reason: %s', (schedule, why) => {
    const [finding, ...more] = check(`t: {schedule: "${schedule}", keep: 1y}`);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ severity: 'error', path: ['policies', 'p', 'tiers', 't', 'schedule'] });
    expect(finding?.message).toContain(`"${schedule}" is no schedule: `);
    expect(finding?.message).toContain(why);
    expect(finding?.hint).toContain('five fields');
  });

  it('are checked for retention too', () => {
    expect(checkSchedules({ service: { retention: { schedule: 'never' } } }, [], rules)).toMatchObject([
      { severity: 'error', path: ['service', 'retention', 'schedule'] },
    ]);
  });
});

describe('sets', () => {
  it.each([
    [
      't: {schedule: "@daily", keep: 23h}',
      'of 23h is shorter than the time between two of its sets, 24h: there would be times without any',
    ],
    ['t: {schedule: "0 2 1 * *", keep: 30d}', 'of 30d is shorter than the time between two of its sets, 31 days'],
    ['t: {schedule: "0 2 * * 1-5", keep: 2d}', 'of 2d is shorter than the time between two of its sets, 3 days'],
    ['a: {schedule: "@daily", keep: 1y}, t: {promote: {from: a, lastOf: year}, keep: 11mo}', 'of 11mo is shorter than'],
  ])('that would go before the next is there are refused: %s', (tiers, message) => {
    expect(said(tiers)).toEqual([expect.stringContaining(`error policies.p.tiers.t.keep ${message}`)]);
  });

  it.each([
    't: {schedule: "@daily", keep: 1d}',
    't: {schedule: "@daily", keep: 24h, timeZone: Europe/Vienna}',
    't: {schedule: "0 2 1 * *", keep: 1mo}',
    't: {schedule: "@yearly", keep: 1y}',
    't: {schedule: "*/5 9-17 * * 1-5", keep: 3d}',
    'a: {schedule: "@daily", keep: 1d}, t: {promote: {from: a, lastOf: month}, keep: 1mo}',
  ])('that last until the next are fine: %s', tiers => expect(said(tiers)).toEqual([]));
});

describe('snapshots', () => {
  const told = (tier: string, keepSnapshots = 3, more = '') =>
    checkSchedules({ volumes: { keepSnapshots } }, policiesFrom(PolicyMap.parse(parse(`p: {tiers: {t: ${tier}${more}}}`))), rules).map(
      ({ severity, path, message }) => `${severity} ${path.join('.')} ${message}`,
    );
  const parts = 'parts: [resources, volumeSnapshots]';

  it('that go before their sets are warned of, where no tier moves their data', () => {
    const warning = 'warning policies.p.tiers.t.keep of 4d outlasts the newest 3 snapshots of a claim (volumes.keepSnapshots)';
    expect(told(`{schedule: "@daily", keep: 4d, ${parts}}`)).toEqual([expect.stringContaining(warning)]);
    expect(told(`{schedule: "@daily", keep: 30d, ${parts}}`, 29)).toHaveLength(1);
    const monthly = ', m: {schedule: "@monthly", keep: 12mo, parts: [resources, volumeData]}';
    expect(told(`{schedule: "@daily", keep: 30d, ${parts}}`, 3, monthly)).toEqual([]);
  });

  it.each([
    `{schedule: "@daily", keep: 3d, ${parts}}`,
    '{schedule: "@daily", keep: 30d, parts: [resources, volumeSnapshots, volumeData]}',
    '{schedule: "@daily", keep: 30d, parts: [resources]}',
  ])('that last as long, or are not all that there is, are fine: %s', tier => expect(told(tier)).toEqual([]));
});

describe('objectives', () => {
  it('that no run can meet are warned of', () => {
    expect(said('t: {schedule: "@daily", keep: 30d, objectives: {rpo: 12h}}')).toEqual([
      'warning policies.p.tiers.t.objectives.rpo of 12h cannot be met by runs that are up to 24h apart',
    ]);
    expect(said('t: {schedule: "*/5 9-17 * * 1-5", keep: 30d, objectives: {rpo: 1h}}')).toEqual([
      expect.stringContaining('up to 3 days apart'),
    ]);
  });

  it('of a policy are those of its most frequent tier', () => {
    const tiers = 'd: {schedule: "@daily", keep: 30d}, h: {schedule: "@hourly", keep: 2d}';
    expect(said(tiers, ', objectives: {rpo: 2h}')).toEqual([]);
    expect(said(tiers, ', objectives: {rpo: 30m}')).toEqual([
      'warning policies.p.objectives.rpo of 30m cannot be met by runs that are up to 1h apart',
    ]);
  });

  it('of a policy are those of its tiers of the whole cluster, where it has any', () => {
    const some = 'selection: {includeNamespaces: [agents]}';
    const told2h = (of: string) =>
      said(`d: {schedule: "@daily", keep: 30d${of}}, h: {schedule: "@hourly", keep: 2d, ${some}}`, ', objectives: {rpo: 2h}');
    expect(told2h('')).toEqual(['warning policies.p.objectives.rpo of 2h cannot be met by runs that are up to 24h apart']);
    expect(told2h(`, ${some}`)).toEqual([]);
  });

  it('are not confused by a run that comes later than the next one is due', () => {
    expect(said('t: {schedule: "@hourly", keep: 2d, jitter: 90m}')).toEqual([
      'warning policies.p.tiers.t.jitter of 1h30m is longer than the time between two runs, 1h',
    ]);
  });
});

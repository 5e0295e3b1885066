import { formatDuration } from '../domain/duration.ts';
import { isScheduled, type Period, type Policy, type ScheduledTier, type Tier, volumesAmong, wholeTiers } from '../domain/policy.ts';
import type { Finding } from './problems.ts';
import type { Settings } from './schema.ts';
import { formatPeriod } from './values.ts';

/** What configuration asks of schedules; src/schedule/cron.ts has the answers. */
export interface ScheduleRules {
  /** Its runs, by a clock that shows UTC. CONFIG_INVALID, with the reason, where the text is no schedule. */
  parse(text: string): { next(after: Date): Date | undefined };
}

const hour = 3_600_000;
const day = 24 * hour;
/** The longest that each unit can be: what is shorter than an interval even so is too short. */
const longest = { hour, day, week: 7 * day, month: 31 * day, year: 366 * day } as const satisfies Record<Period['unit'], number>;

/** Every schedule is one; sets are kept until the next one is there; and what is promised can be kept by runs that far apart. */
export function checkSchedules(settings: Settings, policies: readonly Policy[], rules: ScheduleRules): Finding[] {
  const retention = settings.service?.retention?.schedule;
  return [
    ...(retention === undefined ? [] : readSchedule(rules, retention, ['service', 'retention', 'schedule']).findings),
    ...policies.flatMap(policy => checkPolicy(policy, settings.volumes?.keepSnapshots, rules)),
  ];
}

function checkPolicy(policy: Policy, keepSnapshots: number | undefined, rules: ScheduleRules): Finding[] {
  const findings: Finding[] = [];
  const gaps: number[] = [];
  const whole: readonly Tier[] = wholeTiers(policy);
  // Where another tier moves data, snapshots are meant for recent sets.
  const moved = policy.tiers.some(tier => isScheduled(tier) && volumesAmong(tier.scope.parts).data);
  for (const tier of policy.tiers) {
    const path = ['policies', policy.name, 'tiers', tier.name];
    const interval = isScheduled(tier) ? readSchedule(rules, tier.schedule, [...path, 'schedule']) : undefined;
    findings.push(...(interval?.findings ?? []));
    const gap = isScheduled(tier) ? interval?.gap : longest[tier.promote.lastOf];
    if (gap === undefined) continue;
    findings.push(...keptTooShort(tier, gap, path));
    if (isScheduled(tier)) {
      if (whole.includes(tier)) gaps.push(gap);
      if (!moved) findings.push(...outlivesSnapshots(tier, gap, keepSnapshots, path));
      findings.push(...promisedTooMuch(tier.objectives.rpoMs, gap, [...path, 'objectives', 'rpo']), ...startsTooLate(tier, gap, path));
    }
  }
  const least = Math.min(...gaps);
  if (Number.isFinite(least))
    findings.push(...promisedTooMuch(policy.objectives.rpoMs, least, ['policies', policy.name, 'objectives', 'rpo']));
  return findings;
}

function keptTooShort({ keep, name }: Tier, gap: number, path: readonly string[]): Finding[] {
  if (keep.count * longest[keep.unit] >= gap) return [];
  const message = `of ${formatPeriod(keep)} is shorter than the time between two of its sets, ${spoken(gap)}: there would be times without any`;
  return [{ path: [...path, 'keep'], message, severity: 'error', hint: `keep sets of ${name} for ${spoken(gap)} at least` }];
}

/** Sets of such a tier have the data of volumes only while the cluster has their snapshots. */
function outlivesSnapshots({ keep, scope }: ScheduledTier, gap: number, most: number | undefined, path: readonly string[]): Finding[] {
  if (!volumesAmong(scope.parts).snapshots || most === undefined || keep.count * longest[keep.unit] <= most * gap) return [];
  const message = `of ${formatPeriod(keep)} outlasts the newest ${most} snapshots of a claim (volumes.keepSnapshots): its older sets have nothing of volumes, and no tier asks for volumeData`;
  return [{ path: [...path, 'keep'], message, severity: 'warning' }];
}

function promisedTooMuch(rpoMs: number | undefined, gap: number, path: readonly string[]): Finding[] {
  if (rpoMs === undefined || rpoMs >= gap) return [];
  const message = `of ${formatDuration(rpoMs)} cannot be met by runs that are up to ${spoken(gap)} apart`;
  return [{ path, message, severity: 'warning' }];
}

function startsTooLate({ jitterMs }: ScheduledTier, gap: number, path: readonly string[]): Finding[] {
  if (jitterMs < gap) return [];
  const message = `of ${formatDuration(jitterMs)} is longer than the time between two runs, ${spoken(gap)}`;
  return [{ path: [...path, 'jitter'], message, severity: 'warning' }];
}

function readSchedule(rules: ScheduleRules, text: string, path: readonly string[]): { gap?: number; findings: Finding[] } {
  try {
    const gap = longestGap(rules.parse(text));
    if (gap !== undefined) return { gap, findings: [] };
    return { findings: [{ path, message: `"${text}" never comes`, severity: 'error' }] };
  } catch (thrown) {
    const { message, hint } = thrown as Error & { hint?: string };
    const why = message.replace(/^schedule "(?:[^"\\]|\\.)*": /, `"${text}" is no schedule: `);
    return { findings: [{ path, message: why, severity: 'error', ...(hint === undefined ? {} : { hint }) }] };
  }
}

/** Milliseconds between two runs at most, over a year and 1,500 runs, whichever is shorter; undefined where there are no two runs. */
function longestGap(schedule: { next(after: Date): Date | undefined }): number | undefined {
  // A Thursday before a leap year: working days, and months of every length, lie ahead.
  const start = new Date('2026-01-01T00:00:00Z');
  let last = schedule.next(start);
  let gap: number | undefined;
  for (let runs = 0; last !== undefined && runs < 1500; runs += 1) {
    const next = schedule.next(last);
    if (next === undefined) break;
    gap = Math.max(gap ?? 0, next.getTime() - last.getTime());
    last = next;
    if (runs > 1 && last.getTime() - start.getTime() > 400 * day) break;
  }
  return gap;
}

/** `31 days`, `6h`. */
function spoken(ms: number): string {
  return ms >= 2 * day ? `${Math.ceil(ms / day)} days` : formatDuration(ms);
}

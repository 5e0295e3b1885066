import type { Environment } from '../config/environment.ts';
import type { Config, ConfigReading, LoadOptions } from '../config/load.ts';
import type { ScheduleRules } from '../config/schedule-checks.ts';

const rules = { schedules: scheduleRules, locations: async () => (await import('../app/locations.ts')).locationRules };

/** The settings in force, with all schedules and locations checked. CONFIG_INVALID naming setting and place. */
export async function loadChecked(environment: Environment, options: LoadOptions): Promise<Config> {
  const { loadConfig } = await import('../config/load.ts');
  return loadConfig(environment, { ...options, ...rules });
}

/** Like `loadChecked`, with everything that is wrong. */
export async function readChecked(environment: Environment, options: LoadOptions): Promise<ConfigReading> {
  const { readConfig } = await import('../config/load.ts');
  return readConfig(environment, { ...options, ...rules });
}

async function scheduleRules(): Promise<ScheduleRules> {
  const { nextFire, parseSchedule } = await import('../schedule/cron.ts');
  return {
    parse: text => {
      const schedule = parseSchedule(text);
      return { next: after => nextFire(schedule, 'UTC', after) };
    },
  };
}

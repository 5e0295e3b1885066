// The first run of a policy is due at once, whatever its schedule. Whether another one comes due during a test must not be a matter of the clock.

/** Every day, half a day from now. */
export function halfADayAway(now = new Date()): string {
  return `${now.getUTCMinutes()} ${(now.getUTCHours() + 12) % 24} * * *`;
}

/** Every hour, for the last time five minutes ago: a clock that is ahead by whole hours has 55 minutes until the next one. */
export function everyHourSoonAgo(now = new Date()): string {
  return `${(now.getUTCMinutes() + 55) % 60} * * * *`;
}

const units: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** The longest that a timer of this process can wait, 24 days: asked for more, Node fires it at once. */
export const longestTimerMs = 2 ** 31 - 1;

/** `90s`, `10m`, `1h30m`, `90d` as milliseconds; undefined where the text is no duration. A day is 24 hours. */
export function parseDuration(value: string): number | undefined {
  const parts = [...value.matchAll(/(\d+)(ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map(part => part[0]).join('') !== value) return undefined;
  return parts.reduce((sum, part) => sum + Number(part[1]) * (units[part[2] ?? ''] ?? 0), 0);
}

/** The text that `parseDuration` reads back: `26h`, `1h30m`, `90d`, `0s`. Days only from three on, whole ones. */
export function formatDuration(ms: number): string {
  const day = units['d'] ?? 0;
  if (ms >= 3 * day && ms % day === 0) return `${ms / day}d`;
  let rest = ms;
  const parts = Object.entries(units)
    .filter(([unit]) => unit !== 'd')
    .map(([unit, size]) => {
      const count = Math.floor(rest / size);
      rest -= count * size;
      return count === 0 ? '' : `${count}${unit}`;
    });
  return parts.join('') || '0s';
}

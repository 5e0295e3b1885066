import { z } from 'zod';

/** Words of a value as it stands in a message; only for settings that can hold no secret. */
const quoted = (value: unknown) => (typeof value === 'string' ? `"${value}"` : JSON.stringify(value));

const text = z.string('must be text').trim().min(1, 'must not be empty');

/** Text that names a file or folder; relative ones are resolved by whoever knows where they were written. */
const path = text;

const list = z.preprocess(
  value => (typeof value === 'string' ? value.split(',').map(part => part.trim()) : value),
  z.array(z.string('must be text').min(1, 'must not have empty entries'), 'must be a list, or text with commas'),
);

const flag = z.preprocess(
  value => (typeof value === 'string' ? { true: true, '1': true, false: false, '0': false }[value.trim().toLowerCase()] : value),
  z.boolean('must be true or false'),
);

function wholeNumber(least: number, most: number) {
  return z.preprocess(
    value => (typeof value === 'string' && /^\s*\d+\s*$/.test(value) ? Number(value) : value),
    z
      .int({ error: issue => `must be a whole number, not ${quoted(issue.input)}` })
      .min(least, `must be at least ${least}`)
      .max(most, `must be at most ${most}`),
  );
}

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `90s`, `10m`, `1h30m` as milliseconds; undefined where the text is no duration. */
export function parseDuration(value: string): number | undefined {
  const parts = [...value.matchAll(/(\d+)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(part => part[0]).join('') !== value) return undefined;
  return parts.reduce((sum, part) => sum + Number(part[1]) * (units[part[2] ?? ''] ?? 0), 0);
}

const duration = z.preprocess(
  value => (typeof value === 'string' ? (parseDuration(value.trim()) ?? value) : value),
  z
    .int({ error: issue => `must be a duration such as 90s, 10m or 1h30m, not ${quoted(issue.input)}` })
    .min(1, 'must be longer than nothing'),
);

const tier = text.regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower-case letters and digits with single dashes between');

const clusterScoped = z.enum(['auto', 'always', 'never'], 'must be auto, always or never');

/**
 * Every setting there is, whichever way it comes in: the tree is that of the file, `HOLDFAST_S3_PATH_STYLE` is `s3.pathStyle`, and flags name
 * their setting. Text is turned into numbers, lists and durations (milliseconds) here and nowhere else.
 */
export const Settings = z
  .strictObject(
    {
      location: text,
      s3: z.strictObject({ endpoint: text, region: text, pathStyle: flag }, 'must be a map').partial(),
      keysDir: path,
      recipients: list,
      recipientsFile: path,
      signingKey: path,
      signingPublicKey: path,
      identity: path,
      kubeconfig: path,
      context: text,
      concurrency: wholeNumber(1, 256),
      timeout: duration,
      tier,
      sealIndex: flag,
      insecurePlaintext: flag,
      selection: z
        .strictObject(
          {
            includeNamespaces: list,
            excludeNamespaces: list,
            includeKinds: list,
            excludeKinds: list,
            labelSelector: text,
            clusterScoped,
          },
          'must be a map',
        )
        .partial(),
    },
    'must be a map of settings',
  )
  .partial();
export type Settings = z.infer<typeof Settings>;

/** Settings whose text is a file or folder; a location may also be a URL. */
export const pathSettings = ['keysDir', 'recipientsFile', 'signingKey', 'signingPublicKey', 'identity', 'kubeconfig', 'location'] as const;

/** Paths of all settings, such as `location` and `s3.endpoint`. */
export const settingPaths: readonly string[] = Object.entries(Settings.shape).flatMap(([name, schema]) => {
  const inner = schema.unwrap();
  return inner instanceof z.ZodObject ? Object.keys(inner.shape).map(key => `${name}.${key}`) : [name];
});

/** `s3.pathStyle` → `HOLDFAST_S3_PATH_STYLE`. */
export function environmentName(settingPath: string): string {
  return `HOLDFAST_${settingPath
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_')
    .toUpperCase()}`;
}

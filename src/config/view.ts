import { mapValues } from './leaves.ts';
import type { Config } from './load.ts';
import { settingLeaves } from './schema.ts';

/** One value in force. */
export interface SettingInForce {
  /** `service.listen`, `policies.platform.tiers.daily.keep`. */
  readonly setting: string;
  /** As it would be written in the file; never a secret. */
  readonly value: unknown;
  /** `--listen`, `HOLDFAST_SERVICE_LISTEN`, `holdfast.yaml:3` or `default`. */
  readonly origin: string;
}

/** Everything that has a value, in the order of the schema, with who gave it; maps are told entry by entry. */
export function settingsInForce(config: Config): SettingInForce[] {
  return settingLeaves.flatMap(({ path, schema }) => {
    const value = writtenValue(schema, valueAt(config.settings, path.split('.')));
    return entries(value, path.split('.')).map(entry => ({
      setting: entry.path.join('.'),
      value: entry.value,
      origin: config.where(entry.path.map(name => (/^\d+$/.test(name) ? Number(name) : name))),
    }));
  });
}

function writtenValue(schema: Parameters<typeof mapValues>[0], value: unknown): unknown {
  return mapValues(schema, value, (part, { show }) => {
    const written = show === undefined ? part : show(part);
    return Array.isArray(written) ? written.map(withoutSecrets) : withoutSecrets(written);
  });
}

/** A location may have been written with credentials in it, and a key in the wrong place, by mistake; they are refused later, and not shown now. */
function withoutSecrets(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.replace(/\/\/[^/@\s]*@/g, '//***@').replace(/AGE-SECRET-KEY-\S*/gi, '***');
}

interface Entry {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** A map without entries, and a list of plain values, is one entry. */
function entries(value: unknown, path: readonly string[]): Entry[] {
  if (value === undefined) return [];
  const below = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const plainList = Array.isArray(value) && value.every(item => typeof item !== 'object');
  if (below.length === 0 || plainList) return [{ path, value }];
  return below.flatMap(([name, child]) => entries(child, [...path, name]));
}

function valueAt(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], tree);
}

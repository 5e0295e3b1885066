import { z } from 'zod';
import { childOf, unwrapped } from './leaves.ts';
import { defaults, environmentName, Settings, settingLeaves } from './schema.ts';
import { type ValueKind, valueKinds } from './values.ts';

/** What there is to know of one place in the file. */
export interface SettingFacts {
  /** `policies.<name>.tiers.<name>.keep`: names in angle brackets are the user’s own, `[]` is any entry of a list. */
  readonly setting: string;
  /** `duration`, `daily, weekly or monthly`. */
  readonly type: string;
  /** As it would be written; undefined where nothing holds unless it is said. */
  readonly default?: unknown;
  /** Variable that gives it; undefined for what comes by the file alone. */
  readonly environment?: string;
  readonly description: string;
}

/** Every place in the file where a value can stand, in the order of the schema. */
export function settingReference(): SettingFacts[] {
  return places(Settings, []).map(({ path, kind, description }) => {
    const setting = path.join('.').replaceAll('.[]', '[]');
    const leaf = settingLeaves.find(one => one.path === setting);
    const value = path.reduce<unknown>((tree, name) => (tree as Record<string, unknown> | undefined)?.[name], defaults);
    return {
      setting,
      type: kind.name,
      ...(value === undefined ? {} : { default: value }),
      ...(leaf === undefined ? {} : { environment: environmentName(setting) }),
      description,
    };
  });
}

interface Place {
  readonly path: readonly string[];
  readonly kind: ValueKind;
  readonly description: string;
}

function places(schema: z.ZodType, path: readonly string[]): Place[] {
  const inner = unwrapped(schema);
  const kind = valueKinds.get(inner);
  if (kind !== undefined) return [{ path, kind, description: inner.description ?? '' }];
  return namesIn(inner).flatMap(({ name, shown }) => {
    const child = childOf(inner, name);
    return child === undefined ? [] : places(child, [...path, shown]);
  });
}

function namesIn(schema: z.ZodType): { name: string; shown: string }[] {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape).map(name => ({ name, shown: name }));
  if (schema instanceof z.ZodArray) return [{ name: '0', shown: '[]' }];
  if (!(schema instanceof z.ZodRecord)) return [];
  const shown = schema.keyType instanceof z.ZodEnum ? schema.keyType.options.join('|') : 'name';
  return [{ name: 'any', shown: `<${shown}>` }];
}

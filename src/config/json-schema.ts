import { z } from 'zod';
import { defaults, Settings, settingLeaves } from './schema.ts';
import { valueKinds } from './values.ts';

/**
 * The configuration file as JSON Schema (draft 2020-12), for editors: what may be written, not what becomes of it. Published as
 * `deploy/holdfast.schema.json`.
 */
export function configJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(Settings, {
    target: 'draft-2020-12',
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const written = valueKinds.get(zodSchema as unknown as z.ZodType)?.written;
      if (written === undefined) return;
      const { description } = jsonSchema;
      for (const name of Object.keys(jsonSchema)) delete jsonSchema[name as keyof typeof jsonSchema];
      Object.assign(jsonSchema, written, description === undefined ? {} : { description });
    },
  });
  for (const { path } of settingLeaves) addDefault(schema, path.split('.'), defaults);
  return { $schema, title: 'Configuration of Holdfast', ...schema };
}

type Described = { properties?: Record<string, Described>; default?: unknown };

function addDefault(schema: object, [name = '', ...rest]: readonly string[], values: object): void {
  const below = (schema as Described).properties?.[name];
  const value = (values as Record<string, unknown>)[name];
  if (below === undefined || value === undefined) return;
  if (rest.length > 0) addDefault(below, rest, value as object);
  else below.default = value;
}

import { z } from 'zod';
import { type ValueKind, valueKinds } from './values.ts';

/** One setting: what is given and overridden as a whole. */
export interface SettingLeaf {
  /** `service.tls.cert` */
  readonly path: string;
  readonly schema: z.ZodType;
  readonly kind: ValueKind;
  readonly description: string;
  /** Maps and lists of maps have no place in a flag or a variable. */
  readonly fileOnly: boolean;
}

/** The settings of a tree of maps, in its order; a map with keys of the user’s own, and a list, is one setting. */
export function leavesOf(schema: z.ZodType, path: readonly string[] = []): SettingLeaf[] {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodObject)
    return Object.keys(inner.shape).flatMap(name => leavesOf(childOf(inner, name) ?? inner, [...path, name]));
  const kind = valueKinds.get(inner);
  const fallback: ValueKind = { name: inner instanceof z.ZodArray ? 'list of maps' : 'map' };
  return [
    { path: path.join('.'), schema: inner, kind: kind ?? fallback, description: inner.description ?? '', fileOnly: kind === undefined },
  ];
}

/** A copy of a value in which every part that has a kind went through `change`. */
export function mapValues(schema: z.ZodType, value: unknown, change: (value: unknown, kind: ValueKind) => unknown): unknown {
  if (value === undefined || value === null) return value;
  const inner = unwrapped(schema);
  const kind = valueKinds.get(inner);
  if (kind !== undefined) return change(value, kind);
  if (typeof value !== 'object') return value;
  const below = (name: string, child: unknown) => {
    const schemaBelow = childOf(inner, name);
    return schemaBelow === undefined ? child : mapValues(schemaBelow, child, change);
  };
  if (Array.isArray(value)) return value.map((item, index) => below(String(index), item));
  return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, below(name, child)]));
}

/** What may stand at a place of the tree: the names of a map with names of ours, else nothing. */
export function namesAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const [first, ...rest] = path;
  const inner = unwrapped(schema);
  if (first !== undefined) {
    const child = childOf(inner, String(first));
    return child === undefined ? [] : namesAt(child, rest);
  }
  if (inner instanceof z.ZodObject) return Object.keys(inner.shape);
  return inner instanceof z.ZodRecord && inner.keyType instanceof z.ZodEnum ? inner.keyType.options.map(String) : [];
}

/** What stands under a name or an index; undefined where nothing can. */
export function childOf(schema: z.ZodType, name: string): z.ZodType | undefined {
  if (schema instanceof z.ZodObject) return Object.hasOwn(schema.shape, name) ? (schema.shape[name] as z.ZodType) : undefined;
  if (schema instanceof z.ZodRecord) return schema.valueType as z.ZodType;
  return schema instanceof z.ZodArray ? (schema.element as z.ZodType) : undefined;
}

/** Without `optional` around it. */
export function unwrapped(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodOptional ? unwrapped(schema.unwrap() as z.ZodType) : schema;
}

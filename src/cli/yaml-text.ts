import { stringify } from 'yaml';

/** A value as YAML, lines as long as they are. A file of its own, imported when it is wanted: the library takes 20 ms to load. */
export function yamlText(value: unknown): string {
  return stringify(value, { lineWidth: 0 });
}

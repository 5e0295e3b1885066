import type { Settings } from '../config/schema.ts';
import { printable } from './format.ts';
import type { Style } from './style.ts';
import { table } from './table.ts';

/** For `--verbose`: each setting that has a value, the value, and who gave it. */
export function settingsInForce(settings: Settings, origins: ReadonlyMap<string, string>, style: Style): string[] {
  const rows = [...origins].map(([name, origin]) => ({ name, origin, value: show(valueAt(settings, name)) }));
  return table(
    [
      { title: 'SETTING', cell: row => row.name },
      { title: 'VALUE', cell: row => row.value },
      { title: 'FROM', cell: row => row.origin, paint: text => style.dim(text) },
    ],
    rows,
    { style },
  );
}

function valueAt(settings: Settings, name: string): unknown {
  return name.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], settings);
}

function show(value: unknown): string {
  const text = Array.isArray(value) ? value.join(',') : String(value);
  // A location may have been written with credentials in it, by mistake; they are refused later, and not shown now.
  return printable(text.replace(/\/\/[^/@\s]*@/g, '//***@').replace(/AGE-SECRET-KEY-\S*/gi, '***'));
}

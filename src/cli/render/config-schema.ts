import type { SettingFacts } from '../../config/reference.ts';
import { printable } from '../format.ts';
import type { Style } from '../style.ts';
import { table } from '../table.ts';

/** What may be written, a line each. */
export function referenceTable(facts: readonly SettingFacts[], style: Style, headers: boolean): string[] {
  return table(
    [
      { title: 'SETTING', cell: fact => fact.setting, paint: style.bold },
      { title: 'TYPE', cell: fact => fact.type },
      { title: 'DEFAULT', cell: fact => defaultText(fact) },
      { title: 'ENVIRONMENT', cell: fact => fact.environment ?? '' },
      { title: 'MEANING', cell: fact => printable(fact.description), paint: style.dim },
    ],
    facts,
    { style, headers },
  );
}

/** Empty where there is none. */
export function defaultText({ default: value }: SettingFacts): string {
  if (value === undefined) return '';
  return Array.isArray(value) ? value.join(',') : String(value);
}

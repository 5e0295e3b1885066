import type { Config } from '../config/load.ts';
import { type SettingInForce, settingsInForce } from '../config/view.ts';
import { printable } from './format.ts';
import type { Style } from './style.ts';
import { table } from './table.ts';

/** For `--verbose`: each setting that somebody gave, the value, and who; of the defaults those that concern every command. */
export function givenSettings(config: Config, style: Style): string[] {
  const given = settingsInForce(config).filter(({ setting, origin }) => origin !== 'default' || !setting.includes('.'));
  return settingTable(given, style, true);
}

export function settingTable(rows: readonly SettingInForce[], style: Style, headers: boolean): string[] {
  return table(
    [
      { title: 'SETTING', cell: row => row.setting },
      { title: 'VALUE', cell: row => printable(shown(row.value)) },
      { title: 'FROM', cell: row => row.origin, paint: text => style.dim(text) },
    ],
    rows,
    { style, headers },
  );
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

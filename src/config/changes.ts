import type { Config } from './load.ts';
import { settingLeaves } from './schema.ts';
import { type SettingInForce, settingsInForce } from './view.ts';

/** One difference between two configurations. */
export interface SettingChange {
  /** `policies.platform.tiers.daily.keep` */
  readonly setting: string;
  /** As they would be written; never a secret. Undefined where it was not, or is not any more. */
  readonly before: unknown;
  readonly after: unknown;
  /** It has no effect before the service is started again. */
  readonly needsRestart: boolean;
}

/** What the running service takes up; everything else is built into what it has opened and is bound to. */
export const reloadedSettings: readonly string[] = [
  'policies',
  'locations',
  'notifications',
  'selection',
  'validation',
  'logs.level',
  'operationsKept',
  'service.authorization.roles',
  'service.authorization.tenants',
  'service.retention',
  'service.catalogRefresh',
  'service.shutdownGrace',
];

/** Does a running service go on without the new value until it is started again? */
export function needsRestart(setting: string): boolean {
  return !reloadedSettings.some(name => setting === name || setting.startsWith(`${name}.`));
}

/** In the order of the schema; maps are compared entry by entry. */
export function changesBetween(before: Config, after: Config): SettingChange[] {
  const [old, now] = [byLeaf(before), byLeaf(after)];
  return settingLeaves.flatMap(({ path }) => {
    const steps = path.split('.');
    const same = JSON.stringify(valueAt(before.settings, steps)) === JSON.stringify(valueAt(after.settings, steps));
    if (same) return [];
    const visible = differences(old.get(path) ?? [], now.get(path) ?? []);
    // What is not shown may have changed too, such as the path of a secret address.
    const changes = visible.length > 0 ? visible : [{ setting: path, before: undefined, after: undefined }];
    return changes.map(change => ({ ...change, needsRestart: needsRestart(change.setting) }));
  });
}

function differences(old: readonly SettingInForce[], now: readonly SettingInForce[]): Omit<SettingChange, 'needsRestart'>[] {
  const values = (rows: readonly SettingInForce[]) => new Map(rows.map(({ setting, value }) => [setting, value]));
  const [was, is] = [values(old), values(now)];
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter(setting => JSON.stringify(was.get(setting)) !== JSON.stringify(is.get(setting)))
    .map(setting => ({ setting, before: was.get(setting), after: is.get(setting) }));
}

function byLeaf(config: Config): Map<string, SettingInForce[]> {
  const leaves = settingLeaves.map(leaf => leaf.path);
  return Map.groupBy(
    settingsInForce(config),
    ({ setting }) => leaves.find(path => setting === path || setting.startsWith(`${path}.`)) ?? setting,
  );
}

function valueAt(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], tree);
}

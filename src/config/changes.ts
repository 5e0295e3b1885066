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
  readonly taken: TakenUp;
}

/** How a running service takes up what was changed: every setting stands in one of these. */
export const takenUp = {
  /** Whatever runs goes on, and so does who is connected. */
  atOnce: [
    'policies',
    'locations',
    'notifications',
    'selection',
    'validation',
    'logs',
    'operationsKept',
    'timeout',
    'service.listen',
    'service.metricsListen',
    'service.tls',
    'service.insecureHttp',
    'service.auth',
    'service.authorization',
    'service.trustedProxies',
    'service.rateLimit',
    'service.bodyLimit',
    'service.requestTimeout',
    'service.retention',
    'service.catalogRefresh',
    'service.shutdownGrace',
  ],
  /** By what begins from then on; what runs goes on with what it began with. */
  byNewWork: ['recipients', 'recipientsFile', 'insecurePlaintext', 'sealIndex', 'volumes', 'service.identityDir'],
  /** What runs ends or is handed over, as when the service is stopped; then all is opened anew, in the same process. */
  reopened: [
    'location',
    's3',
    'keysDir',
    'signingKey',
    'signingPublicKey',
    'kubeconfig',
    'context',
    'concurrency',
    'service.leaderElection',
  ],
  /** A service does not go by these. */
  unused: ['identity', 'server', 'tier'],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type TakenUp = keyof typeof takenUp;

/** Of the setting, or of an entry of it. */
export function howTakenUp(setting: string): TakenUp {
  const ways = Object.entries(takenUp) as [TakenUp, readonly string[]][];
  const found = ways.find(([, names]) => names.some(name => setting === name || setting.startsWith(`${name}.`)));
  return found?.[0] ?? 'reopened';
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
    return changes.map(change => ({ ...change, taken: howTakenUp(change.setting) }));
  });
}

function differences(old: readonly SettingInForce[], now: readonly SettingInForce[]): Omit<SettingChange, 'taken'>[] {
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

import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { HoldfastError } from '../domain/errors.ts';
import type { Environment } from './environment.ts';
import { readConfigFile } from './file.ts';
import { environmentName, pathSettings, Settings, settingPaths } from './schema.ts';

/** One setting given on the command line. */
export interface FlagValue {
  /** `s3.endpoint` */
  readonly setting: string;
  /** `--s3-endpoint` */
  readonly flag: string;
  readonly value: unknown;
}

/** The settings in force, and who said so. */
export interface Config {
  readonly settings: Settings;
  readonly environment: Environment;
  /** By setting (`s3.endpoint`): `--s3-endpoint`, `HOLDFAST_S3_ENDPOINT`, `holdfast.yaml:3` or `default`. */
  readonly origins: ReadonlyMap<string, string>;
}

/** One way for settings to come in. `where` names a setting's place in words that its author can find. */
interface Layer {
  readonly content: unknown;
  readonly directory: string;
  where(path: readonly PropertyKey[]): string;
}

const defaults = { tier: 'manual', sealIndex: false, insecurePlaintext: false } as const satisfies Settings;

/**
 * Flags over environment over file over defaults, setting by setting; a list replaces a list. Each way is checked on its own, so that a wrong
 * value is found even where another one hides it. Relative paths belong to the file they are written in, else to the working directory.
 * Errors: CONFIG_INVALID naming setting and place.
 */
export async function loadConfig(environment: Environment, flags: readonly FlagValue[], configFile?: string): Promise<Config> {
  const layers = [
    defaultLayer(environment),
    ...(await fileLayer(environment, configFile)),
    environmentLayer(environment),
    flagLayer(environment, flags),
  ];
  const settings: Record<string, unknown> = {};
  const origins = new Map<string, string>();
  for (const layer of layers) {
    const parsed = parseLayer(layer);
    for (const path of settingPaths) {
      const value = leaf(parsed, path.split('.'));
      if (value === undefined) continue;
      setLeaf(settings, path.split('.'), absolute(path, value, layer.directory, environment.home));
      origins.set(path, layer.where(path.split('.')));
    }
  }
  return { settings: settings as Settings, environment, origins };
}

/** The value of a setting that the command cannot do without. CONFIG_INVALID says the three ways to give it. */
export function required<Value>(value: Value | undefined, setting: string, flag: string): Value {
  if (value !== undefined) return value;
  throw new HoldfastError('CONFIG_INVALID', `no ${setting} is set`, {
    hint: `pass ${flag}, set ${environmentName(setting)}, or write ${setting}: in the file named by --config`,
  });
}

function defaultLayer(environment: Environment): Layer {
  return { content: defaults, directory: environment.directory, where: () => 'default' };
}

async function fileLayer(environment: Environment, flag: string | undefined): Promise<Layer[]> {
  const name = flag ?? (environment.variables['HOLDFAST_CONFIG'] || undefined);
  if (name === undefined) return [];
  const path = resolve(environment.directory, name);
  return [{ ...(await readConfigFile(name, path)), directory: dirname(path) }];
}

function environmentLayer(environment: Environment): Layer {
  const content = {};
  for (const path of settingPaths) {
    const value = environment.variables[environmentName(path)];
    // An empty variable counts as unset, as in kubectl and the AWS tools: manifests often pass optional values through.
    if (value !== undefined && value !== '') setLeaf(content, path.split('.'), value);
  }
  return { content, directory: environment.directory, where: path => environmentName(settingOf(path)) };
}

function flagLayer(environment: Environment, flags: readonly FlagValue[]): Layer {
  const content = {};
  for (const { setting, value } of flags) setLeaf(content, setting.split('.'), value);
  const names = new Map(flags.map(({ setting, flag }) => [setting, flag]));
  return { content, directory: environment.directory, where: path => names.get(settingOf(path)) ?? settingOf(path) };
}

function parseLayer(layer: Layer): Settings {
  const result = Settings.safeParse(layer.content);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new HoldfastError('CONFIG_INVALID', issue === undefined ? 'configuration is invalid' : describe(issue, layer));
}

function describe(issue: z.core.$ZodIssue, layer: Layer): string {
  if (issue.code === 'unrecognized_keys') {
    const path = [...issue.path, issue.keys[0] ?? ''];
    return `${layer.where(path)}: unknown setting ${path.join('.')}; there are ${siblings(issue.path).join(', ')}`;
  }
  const name = settingOf(issue.path);
  const place = layer.where(issue.path);
  return name === '' || place.startsWith('--') || place.startsWith('HOLDFAST_')
    ? `${place}: ${issue.message}`
    : `${place}: ${name} ${issue.message}`;
}

function siblings(parent: readonly PropertyKey[]): string[] {
  const prefix = parent.length === 0 ? '' : `${parent.join('.')}.`;
  const names = settingPaths.filter(path => path.startsWith(prefix)).map(path => path.slice(prefix.length).split('.')[0] ?? '');
  return [...new Set(names)];
}

/** The setting an issue is about: list positions belong to their list. */
function settingOf(path: readonly PropertyKey[]): string {
  return path.filter(segment => typeof segment === 'string').join('.');
}

function absolute(setting: string, value: unknown, directory: string, home: string): unknown {
  const isUrl = setting === 'location' && /^[a-z][a-z0-9+.-]*:/i.test(String(value));
  if (typeof value !== 'string' || isUrl || !pathSettings.some(name => name === setting)) return value;
  return value === '~' || value.startsWith('~/') ? resolve(home, value.slice(2)) : resolve(directory, value);
}

function leaf(tree: unknown, [first, ...rest]: string[]): unknown {
  const value = (tree as Record<string, unknown> | undefined)?.[first ?? ''];
  return rest.length === 0 ? value : leaf(value, rest);
}

function setLeaf(tree: Record<string, unknown>, [first = '', ...rest]: string[], value: unknown): void {
  if (rest.length === 0) {
    tree[first] = value;
    return;
  }
  const child = (tree[first] ?? {}) as Record<string, unknown>;
  tree[first] = child;
  setLeaf(child, rest, value);
}

import { dirname, resolve } from 'node:path';
import { HoldfastError } from '../domain/errors.ts';
import type { Policy } from '../domain/policy.ts';
import type { Environment } from './environment.ts';
import { readConfigFile } from './file.ts';
import { mapValues } from './leaves.ts';
import { checkLocations, type LocationRules } from './location-checks.ts';
import { policiesFrom } from './policy-schema.ts';
import { asError, type Problem, problemAt, problemsIn, type Source, settingOf } from './problems.ts';
import { checkSchedules, type ScheduleRules } from './schedule-checks.ts';
import { defaults, environmentName, Settings, settingLeaves } from './schema.ts';
import { checkService } from './service-checks.ts';

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
  /** The default policy unless the file has policies of its own. */
  readonly policies: readonly Policy[];
  /** What is allowed, but hardly meant; for whoever runs the service. */
  readonly warnings: readonly string[];
  /** Absolute path of the file that was read; undefined without one. */
  readonly file: string | undefined;
  /** Where a part of a setting was given, such as one field of a policy; as exact as in `origins`. */
  where(path: readonly PropertyKey[]): string;
}

/** What was read, and everything that is wrong with it. */
export interface ConfigReading {
  /** Undefined when there are problems. */
  readonly config: Config | undefined;
  readonly problems: readonly Problem[];
}

export interface LoadOptions {
  readonly flags?: readonly FlagValue[];
  /** As the user wrote it; else that of HOLDFAST_CONFIG, else none. */
  readonly file?: string | undefined;
  /** Asked for when there are schedules to check; without them, schedules are taken as they are. */
  readonly schedules?: () => Promise<ScheduleRules>;
  /** Asked for when there are locations to check; without them, locations are taken as they are. */
  readonly locations?: () => Promise<LocationRules>;
}

/**
 * Flags over environment over file over defaults, setting by setting; a list replaces a list. Each way is checked on its own, so that a wrong
 * value is found even where another one hides it. Relative paths belong to the file they are written in, else to the working directory.
 * Errors: CONFIG_INVALID naming setting and place.
 */
export async function loadConfig(environment: Environment, options: LoadOptions = {}): Promise<Config> {
  const { config, problems } = await readConfig(environment, options);
  if (config !== undefined) return config;
  throw asError(problems[0] ?? { message: 'configuration is invalid' });
}

/** Like `loadConfig`, with all problems at once. CONFIG_INVALID where the file cannot be read at all. */
export async function readConfig(environment: Environment, options: LoadOptions = {}): Promise<ConfigReading> {
  const { flags = [], schedules, locations } = options;
  const name = options.file ?? (environment.variables['HOLDFAST_CONFIG'] || undefined);
  const file = name === undefined ? undefined : resolve(environment.directory, name);
  const sources: Source[] = [
    { content: defaults, directory: environment.directory, where: () => 'default' },
    ...(name === undefined || file === undefined ? [] : [{ ...(await readConfigFile(name, file)), directory: dirname(file) }]),
    environmentSource(environment),
    flagSource(environment, flags),
  ];
  const settings: Record<string, unknown> = {};
  const givenBy = new Map<string, Source>();
  const problems: Problem[] = [];
  for (const source of sources) {
    const parsed = Settings.safeParse(source.content);
    if (!parsed.success) problems.push(...problemsIn(parsed.error, source));
    else layOver(settings, givenBy, mapValues(Settings, parsed.data, absolutePaths(source.directory, environment.home)), source);
  }
  if (problems.length > 0) return { config: undefined, problems };
  const inForce = settings as Settings;
  const policies = policiesFrom(inForce.policies ?? {});
  const nowhere = sources[0] ?? flagSource(environment, flags);
  const sourceOf = (path: readonly PropertyKey[]) => givenBy.get(leafPath(path)) ?? nowhere;
  const hasSchedules = ['policies', 'service.retention.schedule'].some(path => givenBy.get(path) !== nowhere);
  const hasLocations = inForce.location !== undefined || inForce.locations !== undefined;
  const findings = [
    ...checkService(inForce),
    ...checkLocations(inForce, hasLocations ? await locations?.() : undefined),
    ...(hasSchedules && schedules !== undefined ? checkSchedules(inForce, policies, await schedules()) : []),
  ];
  const told = findings.map(({ path, message, hint, severity }) => ({ severity, ...problemAt(path, message, sourceOf(path), hint) }));
  const errors = told.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) return { config: undefined, problems: errors };
  const empty =
    policies.length === 0 ? [problemAt(['policies'], 'has no policy: no backup is taken by the clock', sourceOf(['policies']))] : [];
  return {
    problems: [],
    config: {
      settings: inForce,
      environment,
      origins: new Map([...givenBy].map(([path, source]) => [path, source.where(path.split('.'))])),
      policies,
      warnings: [...empty, ...told].map(({ message }) => message),
      file,
      where: path => sourceOf(path).where(path),
    },
  };
}

/** The value of a setting that the command cannot do without. CONFIG_INVALID says the three ways to give it. */
export function required<Value>(value: Value | undefined, setting: string, flag: string): Value {
  if (value !== undefined) return value;
  throw new HoldfastError('CONFIG_INVALID', `no ${setting} is set`, {
    hint: `pass ${flag}, set ${environmentName(setting)}, or write ${setting}: in the file named by --config`,
  });
}

function layOver(settings: Record<string, unknown>, givenBy: Map<string, Source>, given: unknown, source: Source): void {
  for (const { path } of settingLeaves) {
    const value = leaf(given, path.split('.'));
    if (value === undefined) continue;
    setLeaf(settings, path.split('.'), value);
    givenBy.set(path, source);
  }
}

function environmentSource(environment: Environment): Source {
  const content = {};
  for (const { path } of settingLeaves) {
    const value = environment.variables[environmentName(path)];
    // An empty variable counts as unset, as in kubectl and the AWS tools: manifests often pass optional values through.
    if (value !== undefined && value !== '') setLeaf(content, path.split('.'), value);
  }
  return { content, directory: environment.directory, where: path => environmentName(settingOf(path)) };
}

function flagSource(environment: Environment, flags: readonly FlagValue[]): Source {
  const content = {};
  for (const { setting, value } of flags) setLeaf(content, setting.split('.'), value);
  const names = new Map(flags.map(({ setting, flag }) => [setting, flag]));
  return { content, directory: environment.directory, where: path => names.get(settingOf(path)) ?? settingOf(path) };
}

/** The setting that holds the place. */
function leafPath(path: readonly PropertyKey[]): string {
  const name = path.map(String).join('.');
  return settingLeaves.find(one => name === one.path || name.startsWith(`${one.path}.`))?.path ?? name;
}

function absolutePaths(directory: string, home: string): Parameters<typeof mapValues>[2] {
  return (value, { isPath }) => {
    if (isPath === undefined || typeof value !== 'string') return value;
    if (isPath === 'or URL' && /^[a-z][a-z0-9+.-]*:/i.test(value)) return value;
    return value === '~' || value.startsWith('~/') ? resolve(home, value.slice(2)) : resolve(directory, value);
  };
}

function leaf(tree: unknown, [first, ...rest]: string[]): unknown {
  const value = (tree as Record<string, unknown> | undefined)?.[first ?? ''];
  return rest.length === 0 || value === undefined ? value : leaf(value, rest);
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

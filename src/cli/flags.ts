import { InvalidArgumentError, Option } from 'commander';

/** One command-line option. With `setting` its value also comes from environment and file (src/config/schema.ts). */
export interface Flag {
  /** As commander reads it: `-o, --output <format>`. */
  readonly flags: string;
  readonly text: string;
  /** `s3.endpoint` */
  readonly setting?: string;
  /** May be given several times, and holds commas. */
  readonly many?: true;
  /** What an empty value means: `refused` where it would mean everything, as a script’s unset variable did; a list refuses it unless told. */
  readonly empty?: 'refused' | 'meant';
  readonly choices?: readonly string[];
  /** What a shell completes the value with. */
  readonly completes?: 'file' | 'directory';
}

/** Options that belong together, under one heading of the help. */
export type FlagGroup = 'repository' | 'keys' | 'identity' | 'cluster' | 'server' | 'output' | 'general';

export const outputFormats = ['table', 'json', 'yaml', 'name'] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** Options that several commands share. They are understood anywhere on the line; a command's help shows the groups that it uses. */
export const sharedFlags: Readonly<Record<FlagGroup, readonly Flag[]>> = {
  repository: [
    { flags: '--location <url>', text: 'where the repository lies: file:///path or s3://bucket/prefix', setting: 'location' },
    {
      flags: '--s3-endpoint <url>',
      text: 'S3 server other than AWS; credentials come from AWS_* or the SDK’s chain',
      setting: 's3.endpoint',
    },
    { flags: '--s3-region <name>', text: 'S3 region', setting: 's3.region' },
    { flags: '--s3-path-style', text: 'put the bucket in the path, as most servers other than AWS need', setting: 's3.pathStyle' },
  ],
  keys: [
    {
      flags: '--keys-dir <dir>',
      text: 'folder made by keys generate: recipients and signing keys come from it',
      setting: 'keysDir',
      completes: 'directory',
    },
    {
      flags: '--signing-public-key <file>',
      text: 'the key that manifests must be signed with',
      setting: 'signingPublicKey',
      completes: 'file',
    },
  ],
  identity: [
    {
      flags: '--identity <file>',
      text: 'age identity that opens the backup; never taken from --keys-dir',
      setting: 'identity',
      completes: 'file',
    },
  ],
  cluster: [
    {
      flags: '--kubeconfig <file>',
      text: 'kubeconfig (default: KUBECONFIG, ~/.kube/config, then in-cluster)',
      setting: 'kubeconfig',
      completes: 'file',
    },
    { flags: '--context <name>', text: 'context of the kubeconfig', setting: 'context' },
    { flags: '--concurrency <n>', text: 'requests to the API server at once', setting: 'concurrency' },
  ],
  server: [
    { flags: '--server <url>', text: 'let a running service do it: its repository, its keys, its cluster', setting: 'server.url' },
    { flags: '--token-file <file>', text: 'bearer token that it is shown', setting: 'server.tokenFile', completes: 'file' },
    {
      flags: '--server-ca <file>',
      text: 'certificates that may have signed its own (default: the system’s)',
      setting: 'server.caFile',
      completes: 'file',
    },
    {
      flags: '--server-namespaces <names>',
      text: 'stay within these namespaces: for who has rights in them alone',
      setting: 'server.namespaces',
      many: true,
    },
    {
      flags: '--server-identity <where>',
      text: 'identity that it can get at, secret:NAMESPACE/NAME/KEY or file:NAME; --identity is sent along otherwise',
      setting: 'server.identity',
    },
  ],
  output: [
    { flags: '-o, --output <format>', text: 'table, json, yaml or name', choices: outputFormats },
    { flags: '--no-headers', text: 'tables without titles' },
  ],
  general: [
    { flags: '--config <file>', text: 'YAML file with settings (HOLDFAST_CONFIG)', completes: 'file' },
    { flags: '--timeout <duration>', text: 'give up after this long, such as 90s, 10m, 2h (exit status 5)', setting: 'timeout' },
    { flags: '--no-color', text: 'no colours; NO_COLOR does the same' },
    { flags: '-q, --quiet', text: 'no progress' },
    { flags: '-v, --verbose', text: 'which settings are in force and why; stack traces of errors' },
  ],
};

export const groupTitles: Readonly<Record<FlagGroup, string>> = {
  repository: 'REPOSITORY',
  keys: 'KEYS',
  identity: 'IDENTITY',
  cluster: 'CLUSTER',
  server: 'SERVICE',
  output: 'OUTPUT',
  general: 'GENERAL',
};

/** Values of all shared options, as commander parses them. */
export interface SharedOptions {
  readonly config?: string;
  readonly output?: OutputFormat;
  readonly headers: boolean;
  readonly color: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

export function toOption(flag: Flag): Option {
  const option = new Option(flag.flags, flag.text);
  if (flag.choices !== undefined) option.choices(flag.choices);
  if (flag.many === true) {
    const collect = (value: string, before: readonly string[] | undefined) => [...(before ?? []), ...someOf(commaList(value), flag)];
    option.argParser(collect as (value: string, before: unknown) => unknown);
  } else if (flag.empty === 'refused') {
    option.argParser(value => (value.trim() === '' ? someOf([], flag) : value));
  }
  return option;
}

function someOf(names: readonly string[], flag: Flag): readonly string[] {
  if (names.length > 0 || flag.empty === 'meant') return names;
  throw new InvalidArgumentError('It names nothing; where nothing is to be named, leave the option away.');
}

/** `a, b,,c` → a, b, c */
export function commaList(value: string): string[] {
  return value
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '');
}

/** `--output` of `-o, --output <format>`. */
export function longName(flag: Flag): string {
  return toOption(flag).long ?? flag.flags;
}

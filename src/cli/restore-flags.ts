import { HoldfastError } from '../domain/errors.ts';
import { quantityBytes } from '../domain/quantity.ts';
import type { RestoreOptions } from '../domain/restore-plan.ts';
import { everything, type Selection } from '../domain/selection.ts';
import type { Flag } from './flags.ts';

export const restoreSelectionFlags: readonly Flag[] = [
  { flags: '-n, --namespace <globs>', text: 'only these namespaces (repeatable, commas)', many: true },
  { flags: '--exclude-namespaces <globs>', text: 'not these namespaces', many: true },
  { flags: '--kinds <globs>', text: 'only these kinds, as in secrets or workflows.argoproj.io', many: true },
  { flags: '--exclude-kinds <globs>', text: 'not these kinds', many: true },
  { flags: '--names <globs>', text: 'only objects of these names', many: true },
  { flags: '-l, --selector <labels>', text: 'only objects with these labels, as in app=web,tier!=cache', empty: 'refused' },
  {
    flags: '--cluster-scoped <when>',
    text: 'objects outside namespaces: auto takes them when no namespace is named',
    choices: ['auto', 'always', 'never'],
  },
];

export const mappingFlag: Flag = {
  flags: '--map-namespace <from=to>',
  text: 'restore a namespace under another name (repeatable)',
  many: true,
};

export const storageClassFlag: Flag = {
  flags: '--storage-class-mapping <from=to>',
  text: 'give claims of one storage class another one (repeatable)',
  many: true,
};

export const volumeSizeFlag: Flag = {
  flags: '--volume-size-mapping <claim=size>',
  text: 'give a claim another size, as in agents/workspace=20Gi (repeatable)',
  many: true,
};

export const restoreFlags: readonly Flag[] = [
  ...restoreSelectionFlags,
  mappingFlag,
  storageClassFlag,
  volumeSizeFlag,
  {
    flags: '--existing <policy>',
    text: 'objects that are there and differ: skip leaves them (the default), update writes the backup’s fields, recreate deletes them first',
    choices: ['skip', 'update', 'recreate'],
  },
  {
    flags: '--node-ports <policy>',
    text: 'keep asks for the backup’s node ports (the default), reassign lets the cluster choose',
    choices: ['keep', 'reassign'],
  },
  {
    flags: '--volumes <what>',
    text: 'data fills claims before they are used (the default), none creates them empty',
    choices: ['data', 'none'],
  },
];

/** As commander parses `restoreFlags`. */
export interface RestoreFlagValues {
  readonly namespace?: readonly string[];
  readonly excludeNamespaces?: readonly string[];
  readonly kinds?: readonly string[];
  readonly excludeKinds?: readonly string[];
  readonly names?: readonly string[];
  readonly selector?: string;
  readonly clusterScoped?: Selection['clusterScoped'];
  readonly mapNamespace?: readonly string[];
  readonly existing?: RestoreOptions['existing'];
  readonly nodePorts?: NonNullable<RestoreOptions['nodePorts']>;
  readonly storageClassMapping?: readonly string[];
  readonly volumeSizeMapping?: readonly string[];
  readonly volumes?: NonNullable<RestoreOptions['volumes']>;
}

/** What a restore is asked to do. USAGE for a mapping that makes no sense. */
export function restoreOptions(flags: RestoreFlagValues, concurrency: number | undefined): RestoreOptions {
  return {
    selection: selectionOf(flags),
    namespaceMapping: namespaceMapping(flags.mapNamespace ?? []),
    existing: flags.existing ?? 'skip',
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(flags.nodePorts === undefined ? {} : { nodePorts: flags.nodePorts }),
    ...(flags.storageClassMapping === undefined ? {} : { storageClasses: storageClassMapping(flags.storageClassMapping) }),
    ...(flags.volumeSizeMapping === undefined ? {} : { volumeSizes: volumeSizeMapping(flags.volumeSizeMapping) }),
    ...(flags.volumes === undefined ? {} : { volumes: flags.volumes }),
  };
}

/** `a=b` pairs; several classes may become one. USAGE. */
export function storageClassMapping(pairs: readonly string[]): Record<string, string> {
  const mapping: Record<string, string> = {};
  for (const pair of pairs) {
    const [, from, to] = /^([a-z0-9][-a-z0-9.]*)=([a-z0-9][-a-z0-9.]*)$/.exec(pair) ?? [];
    if (from === undefined || to === undefined) {
      throw new HoldfastError('USAGE', `--storage-class-mapping ${JSON.stringify(pair)} is not of the form from=to`);
    }
    if (mapping[from] !== undefined && mapping[from] !== to) {
      throw new HoldfastError('USAGE', `--storage-class-mapping gives ${from} two names: ${mapping[from]} and ${to}`);
    }
    mapping[from] = to;
  }
  return mapping;
}

/** `namespace/claim=size` pairs. USAGE. */
export function volumeSizeMapping(pairs: readonly string[]): Record<string, string> {
  const sizes: Record<string, string> = {};
  for (const pair of pairs) {
    const [, claim, size] = /^([a-z0-9][-a-z0-9]*\/[a-z0-9][-a-z0-9.]*)=(.+)$/.exec(pair) ?? [];
    if (claim === undefined || size === undefined || (quantityBytes(size) ?? 0) <= 0) {
      throw new HoldfastError('USAGE', `--volume-size-mapping ${JSON.stringify(pair)} is not of the form namespace/claim=20Gi`);
    }
    if (sizes[claim] !== undefined && sizes[claim] !== size) {
      throw new HoldfastError('USAGE', `--volume-size-mapping gives ${claim} two sizes: ${sizes[claim]} and ${size}`);
    }
    sizes[claim] = size;
  }
  return sizes;
}

export function selectionOf(flags: RestoreFlagValues): Selection {
  return {
    includeNamespaces: flags.namespace ?? [],
    excludeNamespaces: flags.excludeNamespaces ?? [],
    includeKinds: flags.kinds ?? [],
    excludeKinds: flags.excludeKinds ?? [],
    includeNames: flags.names ?? [],
    labelSelector: flags.selector ?? '',
    clusterScoped: flags.clusterScoped ?? everything.clusterScoped,
  };
}

/** `a=b` pairs; two namespaces may not become one, since their objects would overwrite each other. */
export function namespaceMapping(pairs: readonly string[]): Record<string, string> {
  const mapping: Record<string, string> = {};
  for (const pair of pairs) {
    const match = /^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)=([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$/.exec(pair);
    if (match === null) throw new HoldfastError('USAGE', `--map-namespace ${JSON.stringify(pair)} is not of the form from=to`);
    const [, from = '', , to = ''] = match;
    if (mapping[from] !== undefined && mapping[from] !== to) {
      throw new HoldfastError('USAGE', `--map-namespace gives ${from} two names: ${mapping[from]} and ${to}`);
    }
    const other = Object.entries(mapping).find(([name, target]) => target === to && name !== from);
    if (other !== undefined) throw new HoldfastError('USAGE', `--map-namespace puts both ${other[0]} and ${from} into ${to}`);
    mapping[from] = to;
  }
  return mapping;
}

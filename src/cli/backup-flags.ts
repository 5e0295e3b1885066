import type { Flag } from './flags.ts';

/** Whom backups are sealed to. */
export const recipientFlags: readonly Flag[] = [
  { flags: '--recipient <age1…>', text: 'age recipient to seal to (repeatable)', setting: 'recipients', many: true },
  { flags: '--recipients-file <file>', text: 'file of recipients, one a line', setting: 'recipientsFile', completes: 'file' },
  {
    flags: '--insecure-plaintext',
    text: 'do NOT encrypt: everybody who reads the location reads every Secret. For tests',
    setting: 'insecurePlaintext',
  },
];

export const signingKeyFlag: Flag = {
  flags: '--signing-key <file>',
  text: 'private key that signs manifests',
  setting: 'signingKey',
  completes: 'file',
};

/** What a backup takes. */
export const backupSelectionFlags: readonly Flag[] = [
  {
    flags: '--include-namespaces <globs>',
    text: 'only these namespaces (repeatable, commas)',
    setting: 'selection.includeNamespaces',
    many: true,
  },
  { flags: '--exclude-namespaces <globs>', text: 'not these namespaces', setting: 'selection.excludeNamespaces', many: true },
  {
    flags: '--include-kinds <globs>',
    text: 'only these kinds, as in configmaps or workflows.argoproj.io',
    setting: 'selection.includeKinds',
    many: true,
  },
  { flags: '--exclude-kinds <globs>', text: 'not these kinds', setting: 'selection.excludeKinds', many: true },
  {
    flags: '-l, --selector <labels>',
    text: 'only objects with these labels, as in app=web,tier!=cache',
    setting: 'selection.labelSelector',
    empty: 'refused',
  },
  {
    flags: '--cluster-scoped <when>',
    text: 'objects outside namespaces: auto takes them when no namespace is included',
    choices: ['auto', 'always', 'never'],
    setting: 'selection.clusterScoped',
  },
];

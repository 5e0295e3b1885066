import { at, isObject, type Json, type JsonObject, stringAt } from './json.ts';

/** What a namespace demands of its pods, or says of them: https://kubernetes.io/docs/concepts/security/pod-security-standards/ */
const modes = ['enforce', 'audit', 'warn'] as const;

/** Levels that restrain, the stricter one last. `privileged` restrains nothing: it can only be laxer than what a cluster does without a word. */
const restraining = ['baseline', 'restricted'];

/** Of OpenShift: user ids, groups and SELinux categories that one cluster has given to one namespace. */
const allocations = ['openshift.io/sa.scc.mcs', 'openshift.io/sa.scc.supplemental-groups', 'openshift.io/sa.scc.uid-range'];

const labelOf = (mode: string) => `pod-security.kubernetes.io/${mode}`;
const versionOf = (mode: string) => `${labelOf(mode)}-version`;

/** The Pod Security labels of a namespace that restrain: levels above `privileged`, each with the version that it names. */
export function restrainingLabels(namespace: Json | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(modes.flatMap(mode => pairsOf(namespace, mode)));
}

/**
 * Takes from a Namespace, in place, what a tenant must not get a namespace with that is made for them: Pod Security labels that may be laxer
 * than the cluster’s own default, and what a cluster allocates. Of each mode the stricter level counts, of this Namespace or of `source`, the
 * living one that it is a copy of. What is done otherwise than the Namespace has it is told.
 */
export function restrainNamespace(namespace: JsonObject, source: JsonObject | undefined): readonly string[] {
  const notes = modes.flatMap(mode => restrainMode(namespace, source, mode));
  const annotations = at(namespace, 'metadata', 'annotations');
  if (!isObject(annotations)) return notes;
  const left = allocations.filter(name => Object.hasOwn(annotations, name));
  for (const name of left) delete annotations[name];
  return left.length === 0 ? notes : [...notes, `comes back without ${left.join(', ')}: the cluster allocates them anew`];
}

function restrainMode(namespace: JsonObject, source: JsonObject | undefined, mode: string): readonly string[] {
  const before = levelOf(namespace, mode);
  const ofSource = restraining.indexOf(levelOf(source, mode));
  // Of the same level the version of today counts: an old one demands less.
  const bySource = ofSource >= 0 && ofSource >= restraining.indexOf(before);
  const wanted = Object.fromEntries(pairsOf(bySource ? source : namespace, mode));
  const names = [labelOf(mode), versionOf(mode)];
  if (names.every(name => stringAt(namespace, 'metadata', 'labels', name) === wanted[name])) return [];
  const metadata = objectAt(namespace, 'metadata');
  const labels = objectAt(metadata, 'labels');
  for (const name of names) delete labels[name];
  Object.assign(labels, wanted);
  if (bySource) return [`comes back with ${told(wanted)}, as the namespace has it that it is a copy of`];
  const left = before === '' ? versionOf(mode) : `${labelOf(mode)}=${before}`;
  return [`comes back without ${left}, which may be laxer than what the cluster demands by itself: that is for its administrator to set`];
}

function told(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
}

/** The level that restrains, and its version; nothing where there is none. */
function pairsOf(namespace: Json | undefined, mode: string): readonly (readonly [label: string, value: string])[] {
  const level = levelOf(namespace, mode);
  if (!restraining.includes(level)) return [];
  const version = stringAt(namespace, 'metadata', 'labels', versionOf(mode));
  return version === undefined
    ? [[labelOf(mode), level]]
    : [
        [labelOf(mode), level],
        [versionOf(mode), version],
      ];
}

function levelOf(namespace: Json | undefined, mode: string): string {
  return stringAt(namespace, 'metadata', 'labels', labelOf(mode)) ?? '';
}

function objectAt(parent: JsonObject, key: string): JsonObject {
  const known = parent[key];
  if (isObject(known)) return known;
  const made: JsonObject = {};
  parent[key] = made;
  return made;
}

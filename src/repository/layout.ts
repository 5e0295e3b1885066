import type { ShardClass } from '../domain/backup-set.ts';
import { setIdPattern } from '../domain/set-id.ts';

// Where everything lies below a location. docs/format.md describes the same names for readers without this program.

/** What the repository is; written once, by init. */
export const infoKey = 'holdfast.json';

/** Below it one folder a backup set. */
export const setsPrefix = 'backups/';

export const manifestName = 'manifest.json';

/** Ends with a slash. */
export function setPrefix(id: string): string {
  return `${setsPrefix}${id}/`;
}

export function manifestKey(id: string): string {
  return `${setPrefix(id)}${manifestName}`;
}

/** Key of a shard or an index part; `name` as the manifest has it. */
export function fileKey(id: string, name: string): string {
  return `${setPrefix(id)}${name}`;
}

/** `resources-0001.tar.zst.age`. Numbers start at 1; gaps are allowed, so that several writers can share them out. */
export function shardName(shardClass: ShardClass, number: number, sealed: boolean): string {
  return `${shardClass}-${String(number).padStart(4, '0')}.tar.zst${sealed ? '.age' : ''}`;
}

/** `index-0001.ndjson.zst`, with `.age` when sealed. */
export function indexName(number: number, sealed: boolean): string {
  return `index-${String(number).padStart(4, '0')}.ndjson.zst${sealed ? '.age' : ''}`;
}

export const shardNamePattern = /^(?:resources|secrets)-\d{4,}\.tar\.zst(?:\.age)?$/;
export const indexNamePattern = /^index-\d{4,}\.ndjson\.zst(?:\.age)?$/;

export function isSealed(name: string): boolean {
  return name.endsWith('.age');
}

/** First entry of every secrets shard: the key under which the index digests Secrets. No object can have this path. */
export const digestKeyPath = '_holdfast/digest-key';

/** Below it one restic repository a claim, and beside its files the sealed password. */
export const volumesPrefix = 'volumes/';

/**
 * Key of the restic repository of a claim: `volumes/agents/workspace/`. `suffix`, four hex digits, tells repositories of one claim apart, of
 * which the first has none; no claim has a `~` in its name.
 */
export function volumeKey({ namespace, claim }: { readonly namespace: string; readonly claim: string }, suffix = ''): string {
  return `${volumesPrefix}${namespace}/${claim}${suffix === '' ? '' : `~${suffix}`}/`;
}

const volumeKeyPattern = /^volumes\/([a-z0-9.-]+)\/([a-z0-9.-]+)(?:~[0-9a-f]{4})?\/$/;

/** Whose data a repository holds; undefined where the text is no key of one. */
export function claimOfVolumeKey(key: string): { readonly namespace: string; readonly claim: string } | undefined {
  const [, namespace, claim] = volumeKeyPattern.exec(key) ?? [];
  return namespace === undefined || claim === undefined ? undefined : { namespace, claim };
}

/** The password of a claim's restic repository, sealed to the recipients; `password` in the clear where there are none. */
export function volumePasswordKey(key: string, sealed: boolean): string {
  return `${key}password${sealed ? '.age' : ''}`;
}

/** Is this text a set id, and so safe to become part of a key? */
export function isSetId(text: string): boolean {
  return setIdPattern.test(text);
}

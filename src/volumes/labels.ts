import { sha256Hex } from '../crypto/digest.ts';
import { type JsonObject, stringAt } from '../domain/json.ts';
import { volumeNames } from '../domain/volume.ts';

export interface Subject {
  readonly namespace: string;
  readonly claim: string;
}

/** What an object of ours is for, as its label says. */
export type Role = 'snapshot' | 'mover' | 'upkeep' | 'restore' | 'repository' | 'scaled';

/** 16 hex digits that stand for a text too long for a label or a name. */
export function shortDigest(text: string): string {
  return sha256Hex(text).slice(0, 16);
}

export function claimDigest({ namespace, claim }: Subject): string {
  return shortDigest(`${namespace}/${claim}`);
}

/** The text where a label can hold it, else a digest of it. */
export function labelValue(text: string): string {
  return /^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(text) ? text : shortDigest(text);
}

/** Labels of everything that is made for a while, so that what a killed process left can be found. `installation`: whose it is. */
export function workLabels(work: string, role: Role, subject: Subject, installation?: string): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'holdfast',
    [volumeNames.workLabel]: labelValue(work),
    [volumeNames.roleLabel]: role,
    [volumeNames.claimLabel]: claimDigest(subject),
    ...(installation !== undefined && { [volumeNames.installationLabel]: installation }),
  };
}

/** Those who share a location and a namespace for volumes share their leases too, and know each other's work. */
export function installationOf(repositoryId: string, namespace: string): string {
  return shortDigest(`${repositoryId} ${namespace}`);
}

/** Does the object belong to another installation, whose leases and sets are not known here? */
export function isForeign(object: JsonObject, installation: string | undefined): boolean {
  const label = stringAt(object, 'metadata', 'labels', volumeNames.installationLabel);
  return installation !== undefined && label !== undefined && label !== installation;
}

/** Whose data it is, in full. */
export function claimAnnotations({ namespace, claim }: Subject): Record<string, string> {
  return { [volumeNames.claimAnnotation]: `${namespace}/${claim}` };
}

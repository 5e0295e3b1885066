import type { Flag } from './flags.ts';

/** How a backup is named, wherever a command takes one. */
export const setArgument = {
  term: '<backup>',
  text: 'id, the beginning of one, latest, a day (2026-11-20: the newest up to its end, UTC) or a time with its zone',
} as const;

/** Whose backups that may mean. */
export const clusterFlag: Flag = {
  flags: '--cluster <which>',
  text: 'whose backup is meant, where several clusters have some: own (that of the kubeconfig or service), a UID or its beginning, or the address of an API server',
  empty: 'refused',
};

export interface ClusterFlagValue {
  readonly cluster?: string;
}

export function clusterOf({ cluster }: ClusterFlagValue): ClusterFlagValue {
  return cluster === undefined ? {} : { cluster };
}

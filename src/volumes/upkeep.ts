import { asHoldfastError } from '../domain/errors.ts';
import type { Identity } from '../domain/identity.ts';
import type { MoverRequest } from '../domain/mover.ts';
import type { Progress, Runtime } from '../domain/runtime.ts';
import { setTime } from '../domain/set-id.ts';
import type { VolumeSettings } from '../domain/volume-settings.ts';
import type { UpkeepBefore, UpkeepItem, UpkeepOutcome } from '../domain/volume-upkeep.ts';
import { setFolders } from '../repository/catalog.ts';
import { claimOfVolumeKey, volumesPrefix } from '../repository/layout.ts';
import { readManifest } from '../repository/read-manifest.ts';
import type { Repository } from '../repository/repository.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Movers, MoverTask, VolumeRepositories, VolumeRepository } from './ports.ts';
import { dueCheck, forgettable, type NamedSnapshots, type StoredSnapshot } from './upkeep-rules.ts';

export interface UpkeepInput {
  readonly repository: Repository;
  /** Public keys (PEM) of which one must have signed a set; the repository's own unless given. */
  readonly trusted: readonly string[];
  readonly movers: Movers;
  readonly repositories: VolumeRepositories;
  readonly settings: Pick<VolumeSettings, 'namespace' | 'tuning' | 'parallel'>;
  /** For repositories that another cluster made. */
  readonly identities: readonly Identity[];
  /** Where it is not known, what is due today is read. */
  readonly before?: UpkeepBefore | undefined;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/**
 * Forgets what no set names any more, frees its room, and reads a part of each repository once a week. Safe to run at any time, beside backups:
 * each repository is worked in by one at a time. A repository that fails is an item of the outcome, and the others go on.
 */
export async function runUpkeep(input: UpkeepInput): Promise<UpkeepOutcome> {
  const { repository, runtime, signal, progress, before } = input;
  const keys = await Array.fromAsync(volumeKeys(repository.store, signal));
  if (keys.length === 0) return { items: [], repositories: 0, notices: [] };
  // Listed before the sets are read: what a set that is written meanwhile names is younger than what may go.
  const present = new Map<string, readonly StoredSnapshot[]>();
  for (const key of keys) present.set(key, await Array.fromAsync(storedSnapshots(repository.store, key, signal)));
  const { named, notices } = await readNamed(input);
  const now = runtime.now();
  const work = keys.flatMap(key => {
    const forget = forgettable(present.get(key) ?? [], named, now);
    const subset =
      (present.get(key)?.length ?? 0) > forget.length ? (before?.unread.get(key) ?? dueCheck(key, now, before?.at)) : undefined;
    return forget.length === 0 && subset === undefined ? [] : [{ key, forget, subset }];
  });
  const items: UpkeepItem[] = [];
  const queue = work.values();
  const worker = async () => {
    for (const { key, forget, subset } of queue) {
      progress({ phase: 'upkeep', detail: key, objects: items.length, totalObjects: work.length });
      items.push(await keepUp(input, key, forget, subset));
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, input.settings.parallel) }, worker));
  items.sort((a, b) => (a.repository < b.repository ? -1 : 1));
  return { items, repositories: keys.length, notices };
}

/** Keys of the repositories of a location. */
export async function* volumeKeys(store: ObjectStore, signal: AbortSignal): AsyncGenerator<string> {
  for await (const namespace of store.listNames(volumesPrefix, { signal })) {
    if (!namespace.endsWith('/')) continue;
    for await (const claim of store.listNames(`${volumesPrefix}${namespace}`, { signal })) {
      const key = `${volumesPrefix}${namespace}${claim}`;
      if (claimOfVolumeKey(key) !== undefined) yield key;
    }
  }
}

/** A restic snapshot is a file named by its id: no password is needed to know of it. */
async function* storedSnapshots(store: ObjectStore, key: string, signal: AbortSignal): AsyncGenerator<StoredSnapshot> {
  const prefix = `${key}snapshots/`;
  for await (const { key: file, modified } of store.list(prefix, { signal })) {
    const id = file.slice(prefix.length);
    if (/^[0-9a-f]{64}$/.test(id)) yield { id, modified };
  }
}

async function readNamed(input: UpkeepInput): Promise<{ named: NamedSnapshots; notices: readonly string[] }> {
  const { repository, trusted, signal } = input;
  const ids = new Set<string>();
  const unfinished: Date[] = [];
  const notices: string[] = [];
  for await (const id of setFolders(repository, { signal })) {
    try {
      const signed = await readManifest(repository, id, { trusted, signal });
      if (signed === undefined) unfinished.push(setTime(id) ?? input.runtime.now());
      for (const { data } of signed?.manifest.volumes ?? []) if (data !== undefined) ids.add(data.snapshot);
    } catch (thrown) {
      signal.throwIfAborted();
      notices.push(`no volume data is forgotten, since ${id} cannot be read: ${asHoldfastError(thrown).message}`);
    }
  }
  return { named: { ids, unfinished, whole: notices.length === 0 }, notices };
}

async function keepUp(input: UpkeepInput, key: string, forget: readonly string[], subset: string | undefined): Promise<UpkeepItem> {
  const { movers, repositories, identities, settings, signal, progress } = input;
  const subject = claimOfVolumeKey(key) ?? { namespace: '', claim: '' };
  let forgotten = 0;
  const run = (request: MoverTask['request'], repository: VolumeRepository) => {
    const task: MoverTask = { work: 'upkeep', role: 'upkeep', subject, namespace: settings.namespace, repository, request };
    return movers.run(task, { signal, progress });
  };
  try {
    const open = await opened(() => repositories.open(key, { identities, signal }));
    if ('left' in open) return { repository: key, forgotten, state: 'left', reason: open.left };
    if (forget.length > 0) {
      await run(access => ({ ...common(access, settings), action: 'forget', snapshots: forget, prune: true }), open);
      forgotten = forget.length;
    }
    if (subset !== undefined) await run(access => ({ ...common(access, settings), action: 'check', subset }), open);
    return { repository: key, forgotten, state: 'done', reason: '', ...(subset !== undefined && { checked: subset }) };
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message } = asHoldfastError(thrown);
    return { repository: key, forgotten, state: 'failed', reason: message, code, ...(subset !== undefined && { unread: subset }) };
  }
}

function common(
  access: { readonly url: string; readonly options: readonly string[] },
  { tuning }: Pick<VolumeSettings, 'tuning'>,
): Pick<Extract<MoverRequest, { action: 'check' }>, 'repository' | 'options' | 'tuning'> {
  return { repository: access.url, options: access.options, tuning };
}

/** A repository of another cluster is that cluster’s to keep up. */
async function opened(open: () => Promise<VolumeRepository>): Promise<VolumeRepository | { readonly left: string }> {
  try {
    return await open();
  } catch (thrown) {
    const { code, message } = asHoldfastError(thrown);
    if (code === 'IDENTITY_MISSING') return { left: `its password is not in this cluster: ${message}` };
    if (code === 'STORE_NOT_FOUND') return { left: message };
    throw thrown;
  }
}

import type { OpenOptions, Run, VerifyRequest } from '../app.ts';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { chooseCluster } from '../domain/cluster-choice.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { SetSummary } from '../repository/catalog.ts';
import type { Repository } from '../repository/repository.ts';
import { resolveSet as resolveText } from '../repository/resolve-set.ts';
import type { SetReader } from '../repository/set-reader.ts';
import type { UseKind } from '../repository/uses.ts';
import type { RepositoryReport } from '../repository/verify.ts';
import type { Keys } from './keys.ts';

export interface SetParts {
  readonly runtime: Runtime;
  readonly keys: Keys;
  readonly onWarning: (text: string) => void;
  repository(signal?: AbortSignal): Promise<Repository>;
  /** Opened only to tell which one `own` is. */
  cluster(): Promise<ClusterApi>;
  keep<T extends { close(): Promise<void> }>(resource: T): T;
}

type Asked = Pick<OpenOptions, 'signal' | 'wanted' | 'cluster'> & { readonly text: string };

/** Oldest first. */
export async function listSets(parts: SetParts, signal: AbortSignal): Promise<readonly SetSummary[]> {
  const catalog = await import('../repository/catalog.ts');
  const repository = await parts.repository(signal);
  return Array.fromAsync(catalog.listSets(repository, { signal, trusted: await parts.keys.trusted() }));
}

/** The id of the set that is meant. BACKUP_NOT_FOUND, BACKUP_AMBIGUOUS. */
export async function resolveSet(parts: SetParts, from: Repository, { text, signal, wanted, cluster }: Asked): Promise<string> {
  const { runtime, onWarning, keys } = parts;
  const choice = cluster === undefined ? undefined : await chooseCluster(cluster, () => ownCluster(parts, signal));
  const trusted = await keys.trusted();
  return resolveText(from, text, { now: runtime.now(), wanted, cluster: choice, onNotice: onWarning, signal, trusted });
}

async function ownCluster(parts: SetParts, signal: AbortSignal) {
  const { readHome } = await import('../service/home.ts');
  return (await readHome(await parts.cluster(), signal)).identity;
}

export async function openSet(parts: SetParts, text: string, { need, use, ...asked }: OpenOptions): Promise<SetReader> {
  const { signal } = asked;
  const [identities, trusted] = [await parts.keys.identities(), await parts.keys.trusted()];
  const repository = await parts.repository(signal);
  const id = await resolveSet(parts, repository, { text, ...asked });
  if (use !== undefined) await tellUse(parts, repository, id, use, signal);
  const options = { identities, trusted, signal };
  if (need === 'contents') return (await import('../repository/open-contents.ts')).openContents(repository, id, options);
  return (await import('../repository/set-reader.ts')).openSet(repository, id, options);
}

/** Before it is read, until the app is closed. */
async function tellUse(parts: SetParts, repository: Repository, set: string, kind: UseKind, signal: AbortSignal): Promise<void> {
  const [{ beginUse }, { actorHere }] = await Promise.all([import('../repository/uses.ts'), import('./user.ts')]);
  const { runtime, onWarning } = parts;
  parts.keep(await beginUse(repository, set, { kind, by: actorHere().name, runtime, onTrouble: onWarning, signal }));
}

export async function verify(parts: SetParts, { what, ...whose }: VerifyRequest, run: Run): Promise<RepositoryReport> {
  const { verifyRepository, verifySet } = await import('../repository/verify.ts');
  const options = { ...run, identities: await parts.keys.identities(), trusted: await parts.keys.trusted() };
  const repository = await parts.repository(run.signal);
  const id = what === 'all' ? what : await resolveSet(parts, repository, { text: what, ...whose, signal: run.signal });
  await tellUse(parts, repository, id, 'verify', run.signal);
  if (id === 'all') return verifyRepository(repository, options);
  const report = await verifySet(repository, id, options);
  return { ok: report.state === 'verified', sets: [report] };
}

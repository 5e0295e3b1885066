import type { SelectionRequest } from '../api/schemas/common.ts';
import type { App, AppOptions, ListedSet, OpenedSet, Run, ValidationOptions } from '../app.ts';
import type { Config } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import type { BackupOutcome, IndexEntry, Manifest } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { LedgerEntry } from '../domain/ledger.ts';
import type { RestoreOptions, RestoreOutcome, RestorePlan } from '../domain/restore-plan.ts';
import { everything } from '../domain/selection.ts';
import type { ValidationReport } from '../domain/validation.ts';
import type { LedgerQuery } from '../repository/ledger.ts';
import type { LedgerReport } from '../repository/ledger-verify.ts';
import type { RepositoryReport, VerifyReport } from '../repository/verify.ts';
import { once, systemRuntime } from './adapters.ts';
import { type Connection, openConnection } from './remote-connection.ts';
import { remoteRetention } from './remote-retention.ts';
import { codeOf, errorOf, follow } from './remote-work.ts';

const pageSize = 500;
const objectsAPage = 5_000;

// What the service answers are the shapes of the domain itself, which its schemas describe: they are taken for what they are.

/** The same as `createApp`, done by a running service: with its repository, its keys and its cluster. REQUEST_ and SERVICE_ codes besides. */
export function createRemoteApp(config: Config, { onWarning, runtime = systemRuntime }: AppOptions): App {
  const { settings } = config;
  const connection = once(() => openConnection(config, runtime, onWarning));
  /** Starts it, once, and waits for its end. */
  const carryOut = async (start: (there: Connection) => Promise<{ readonly id: string }>, run: Run) => {
    const there = await connection();
    return follow(there.client, await start(there), run, runtime);
  };
  const withIdentity = async (there: Connection) => {
    const identity = await there.identity();
    return identity === undefined ? {} : { identity };
  };
  return {
    location: async () => (await connection()).url,
    init: () => Promise.reject(new HoldfastError('USAGE', 'a repository is made where it lies, not by a service')),
    backup: async run => {
      const { tier = 'manual' } = settings;
      const selection = selectionOf(settings);
      const { capture } = settings.volumes ?? {};
      const body = { tier, ...(selection !== undefined && { selection }), ...(capture !== undefined && { volumes: capture }) };
      const ended = await carryOut(({ client }) => client.backups.create({ body, signal: run.signal }), run);
      return backupOutcome(await connection(), ended, run.signal);
    },
    listSets: async signal => {
      const { client } = await connection();
      const sets = client.all(from => client.backups.list({ query: { limit: pageSize, ...from }, signal }));
      return ((await Array.fromAsync(sets)) as ListedSet[]).reverse();
    },
    openSet: async (text, { signal, need, wanted = everything, cluster }) => {
      const there = await connection();
      const { includeNamespaces, clusterScoped } = wanted;
      const query = {
        ...(includeNamespaces.length > 0 && { namespaces: includeNamespaces.join(',') }),
        ...(clusterScoped !== everything.clusterScoped && { clusterScoped }),
        ...(cluster !== undefined && { cluster }),
      };
      const set = await there.client.backups.get({ params: { set: text }, query, signal });
      if (need === 'contents' && set.sealed && (await there.identity()) === undefined) {
        throw new HoldfastError('IDENTITY_MISSING', `${set.id} is sealed, and no identity was given`);
      }
      return openedSet(there, set.id, set.signature, set.manifest as Manifest | undefined);
    },
    verify: async ({ what: set, ...whose }, run) => {
      const ended = await carryOut(
        async there => there.client.verifications.create({ body: { set, ...whose, ...(await withIdentity(there)) }, signal: run.signal }),
        run,
      );
      const { sets = 0, reports } = (ended.summary ?? {}) as { sets?: number; reports?: readonly VerifyReport[] };
      if (reports === undefined) throw errorOf(ended);
      if (sets > reports.length) onWarning(`${sets} backups were checked; the record of ${ended.id} names ${reports.length}`);
      return { ok: ended.phase === 'Completed', sets: reports } satisfies RepositoryReport;
    },
    retention: async signal => remoteRetention({ client: (await connection()).client, runtime, signal }),
    readLedger: async (query, signal) => readLedger(await connection(), query, signal),
    verifyLedger: async (expected, signal) => {
      const { client } = await connection();
      const expect = expected === undefined ? {} : { expect: `${expected.seq}:${expected.sha256}` };
      return (await client.ledger.verify({ query: expect, signal })) as LedgerReport;
    },
    planRestore: async (set, options, run) => {
      const there = await connection();
      const body = { ...restoreBody(set, options), ...(await withIdentity(there)) };
      return (await there.client.restores.plan({ body, signal: run.signal })) as RestorePlan;
    },
    restore: async (set, options, run) => {
      const ended = await carryOut(
        async there =>
          there.client.restores.create({ body: { ...restoreBody(set, options), ...(await withIdentity(there)) }, signal: run.signal }),
        run,
      );
      const { set: _set, ...outcome } = (ended.summary ?? {}) as Partial<RestoreOutcome> & { readonly set?: string };
      if (outcome.phase === undefined) throw errorOf(ended);
      return outcome as RestoreOutcome;
    },
    validate: async (set, options, run) => {
      const ended = await carryOut(
        async there =>
          there.client.validations.create({
            body: { ...validationBody(set, options), ...(await withIdentity(there)) },
            signal: run.signal,
          }),
        run,
      );
      const { set: backup, ...report } = (ended.summary ?? {}) as Partial<ValidationReport> & { readonly set?: string };
      if (backup === undefined) throw errorOf(ended);
      const { server, startedAt, durationMs, state, checks } = report as ValidationReport;
      return { backup, server, startedAt, durationMs, state, checks };
    },
    volumes: async () => {
      const { remoteVolumes } = await import('./remote-volumes.ts');
      return remoteVolumes(await connection(), { runtime, withIdentity, idOf });
    },
    close: async () => (await connection().catch(() => undefined))?.close(),
  };
}

/** That of the tier unless something is asked for here. */
function selectionOf({ selection = {} }: Settings): SelectionRequest | undefined {
  const given = Object.entries(selection).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : (Object.fromEntries(given) as SelectionRequest);
}

async function backupOutcome(
  { client }: Connection,
  ended: Awaited<ReturnType<typeof follow>>,
  signal: AbortSignal,
): Promise<BackupOutcome> {
  const { set, durationMs = 0, settleMs = 0 } = (ended.summary ?? {}) as { set?: string; durationMs?: number; settleMs?: number };
  if (set === undefined) {
    const { code, message } = errorOf(ended);
    return { phase: 'Failed', id: ended.id, error: { code: codeOf(code), message }, durationMs };
  }
  const { manifest, phase } = await client.backups.get({ params: { set }, signal });
  return { phase, manifest: requireManifest(set, manifest as Manifest | undefined), durationMs, settleMs };
}

function requireManifest(set: string, manifest: Manifest | undefined): Manifest {
  if (manifest !== undefined) return manifest;
  throw new HoldfastError(
    'REQUEST_FORBIDDEN',
    `${set} is there, but its manifest is only shown to callers who may see all that was backed up`,
  );
}

/** As what it is asked for: only callers of the whole cluster see a manifest. */
interface RemoteSet extends OpenedSet {
  readonly id: string;
}

function openedSet({ client }: Connection, id: string, signature: OpenedSet['signature'], manifest: Manifest | undefined): RemoteSet {
  return {
    ...{ id, signature },
    get manifest() {
      return requireManifest(id, manifest);
    },
    entries: async function* entries({ signal } = {}) {
      for (let from = 0; ; ) {
        const page = await client.backups.objects({
          params: { set: id },
          query: { from, limit: objectsAPage },
          ...(signal !== undefined && { signal }),
        });
        yield* page.items as readonly IndexEntry[];
        if (page.items.length < objectsAPage) return;
        from = page.next;
      }
    },
  };
}

function idOf(set: OpenedSet): string {
  return (set as RemoteSet).id;
}

/** How many writes at a time, and how long it waits, is the service’s own business. */
function restoreBody(set: OpenedSet, { concurrency: _c, waitMs: _w, ...asked }: RestoreOptions) {
  return { set: idOf(set), ...asked };
}

function validationBody(
  set: OpenedSet,
  { selection, namespaceMapping, storageClasses = {}, volumeSizes = {}, platform }: ValidationOptions,
) {
  return { set: idOf(set), selection, namespaceMapping, storageClasses, volumeSizes, platform };
}

async function readLedger({ client }: Connection, { limit, before, action }: LedgerQuery, signal: AbortSignal): Promise<LedgerEntry[]> {
  const entries: LedgerEntry[] = [];
  let from: { readonly continue?: string } = before === undefined ? {} : { continue: String(before) };
  while (entries.length < limit) {
    const query = { limit: Math.min(pageSize, limit - entries.length), ...from, ...(action !== undefined && { action }) };
    const page = await client.ledger.list({ query, signal });
    entries.push(...(page.items as readonly LedgerEntry[]));
    if (page.continue === undefined) break;
    from = { continue: page.continue };
  }
  return entries;
}

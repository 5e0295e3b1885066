import { once, openCluster, openConfigured, openStore, requireWriteOnce, systemRuntime } from './app/adapters.ts';
import { type Keys, openKeys } from './app/keys.ts';
import type { MeantSet, RetentionCommands } from './app/retention.ts';
import type { VolumeCommands } from './app/volume-commands.ts';
import type { Volumes } from './app/volumes.ts';
import type { ClusterApi } from './cluster/cluster-api.ts';
import type { Config } from './config/load.ts';
import type { Settings } from './config/schema.ts';
import { programVersion } from './config/version.ts';
import type { BackupOutcome, PartRecord } from './domain/backup-set.ts';
import { HoldfastError } from './domain/errors.ts';
import type { LedgerEntry } from './domain/ledger.ts';
import { type Part, partsWith, volumesAmong } from './domain/policy.ts';
import type { RestoreOptions, RestoreOutcome, RestorePlan } from './domain/restore-plan.ts';
import type { Progress, Runtime } from './domain/runtime.ts';
import { everything, type Selection } from './domain/selection.ts';
import type { ValidationReport } from './domain/validation.ts';
import type { VolumeSizes } from './domain/volume-sizes.ts';
import type { ReadableSet, SetSummary } from './repository/catalog.ts';
import type { LedgerHead, LedgerQuery } from './repository/ledger.ts';
import type { LedgerReport } from './repository/ledger-verify.ts';
import type { Repository } from './repository/repository.ts';
import type { SetReader } from './repository/set-reader.ts';
import type { UseKind } from './repository/uses.ts';
import type { RepositoryReport } from './repository/verify.ts';
import type { ObjectStore } from './storage/object-store.ts';

/** How one operation runs. */
export interface Run {
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

export interface AppOptions {
  /** Told of what its owner ought to know, such as a key file that everybody may read. */
  readonly onWarning: (text: string) => void;
  readonly runtime?: Runtime;
}

/** Who is restricted to namespaces is shown no figures of the whole cluster by a service. */
type Figures = 'objects' | 'bytes' | 'storedBytes' | 'problems' | 'cluster' | 'selection';
export type ListedSet =
  | Exclude<SetSummary, { phase: ReadableSet['phase'] }>
  | (Omit<ReadableSet, Figures> & Partial<Pick<ReadableSet, Figures>>);

/** A set that was looked for and found. */
export type OpenedSet = Pick<SetReader, 'manifest' | 'signature' | 'entries'>;

/** What can be done with one configuration. Adapters and use cases are loaded when first needed. */
export interface App {
  /** The location as written, without credentials. */
  location(): Promise<string>;
  init(signal: AbortSignal): Promise<Repository>;
  backup(run: Run): Promise<BackupOutcome>;
  /** Oldest first. */
  listSets(signal: AbortSignal): Promise<readonly ListedSet[]>;
  /** Opens the set that the text means: an id, the beginning of one, `latest`, a day or a time. */
  openSet(text: string, options: OpenOptions): Promise<OpenedSet>;
  verify(asked: VerifyRequest, run: Run): Promise<RepositoryReport>;
  /** By the configured policies. */
  retention(signal: AbortSignal): Promise<RetentionCommands>;
  /** Newest first. */
  readLedger(query: LedgerQuery, signal: AbortSignal): Promise<readonly LedgerEntry[]>;
  /** `expected`: where the ledger ended when somebody noted it. */
  verifyLedger(expected: LedgerHead | undefined, signal: AbortSignal): Promise<LedgerReport>;
  planRestore(set: OpenedSet, options: RestoreOptions, run: Run): Promise<RestorePlan>;
  restore(set: OpenedSet, options: RestoreOptions, run: Run): Promise<RestoreOutcome>;
  validate(set: OpenedSet, options: ValidationOptions, run: Run): Promise<ValidationReport>;
  /** Single volumes, and what they leave. */
  volumes(signal: AbortSignal): Promise<VolumeCommands>;
  close(): Promise<void>;
}

export interface ValidationOptions {
  readonly selection: Selection;
  readonly namespaceMapping: Readonly<Record<string, string>>;
  readonly storageClasses?: Readonly<Record<string, string>>;
  readonly volumeSizes?: VolumeSizes;
  /** Also run something small on the platform. */
  readonly platform: boolean;
}

export interface OpenOptions {
  readonly signal: AbortSignal;
  /** `contents`: IDENTITY_MISSING when the set is sealed and no identity is configured, IDENTITY_WRONG when none opens it. */
  readonly need: 'manifest' | 'contents';
  /** What it is read for until the app is closed: retention is told, and keeps it. */
  readonly use?: UseKind;
  /** What is to be brought back of it, default everything: what `latest` must hold. */
  readonly wanted?: Selection;
  /** Whose set is meant, as `chooseCluster` reads it. */
  readonly cluster?: string;
}

/** `what` as in `openSet`, or `all`. */
export interface VerifyRequest extends Pick<OpenOptions, 'cluster'> {
  readonly what: string;
}

/** What the operations are made of; each is built once, when first asked for. */
interface Parts {
  readonly config: Config;
  readonly settings: Settings;
  readonly runtime: Runtime;
  readonly keys: Keys;
  readonly onWarning: (text: string) => void;
  store(): Promise<ObjectStore>;
  /** Read once, unless that failed. */
  repository(signal?: AbortSignal): Promise<Repository>;
  cluster(): Promise<ClusterApi>;
  volumes(): Promise<Volumes>;
  /** Closes it with the app. */
  keep<T extends { close(): Promise<void> }>(resource: T): T;
}

/** Wires configuration to adapters and adapters to use cases: the only place that does. Opens nothing by itself. */
export function createApp(config: Config, { onWarning, runtime = systemRuntime }: AppOptions): App {
  const { settings } = config;
  const opened: { close(): Promise<void> }[] = [];
  const keep = <T extends { close(): Promise<void> }>(resource: T): T => {
    opened.push(resource);
    return resource;
  };
  const store = once(async () => keep(await openStore(config, runtime)));
  const cluster = once(async () => keep(await openCluster(config, runtime)));
  const keys = openKeys(settings, onWarning);
  let known: Repository | undefined;
  const repository = async (signal?: AbortSignal): Promise<Repository> => {
    known ??= await openConfigured(config, await store(), signal);
    return known;
  };
  const volumes = once(async () => {
    const { openVolumes } = await import('./app/volumes.ts');
    const factory = keep(await openVolumes(config, { runtime, recipients: await keys.recipients(), onWarning }));
    const { info } = await repository();
    return factory.on({ cluster: await cluster(), store: await store(), repositoryId: info.id });
  });
  const sets = () => import('./app/sets.ts');
  const parts: Parts = { config, settings, runtime, keys, onWarning, store, repository, cluster, volumes, keep };
  return {
    location: async () => (await store()).url,
    init: async signal => {
      await requireWriteOnce(config, await store(), { runtime, signal });
      return init(parts, signal);
    },
    backup: run => backup(parts, run),
    listSets: async signal => (await sets()).listSets(parts, signal),
    openSet: async (text, options) => (await sets()).openSet(parts, text, options),
    verify: async (what, run) => (await sets()).verify(parts, what, run),
    retention: async signal => {
      const { openRetention } = await import('./app/retention.ts');
      const repository = await parts.repository(signal);
      const resolve = async (meant: MeantSet) => (await sets()).resolveSet(parts, repository, { ...meant, signal });
      return openRetention({ ...parts, config, repository, resolve }, signal);
    },
    readLedger: async (query, signal) => {
      const { readLedger } = await import('./repository/ledger.ts');
      return readLedger(await parts.repository(signal), query, { trusted: await parts.keys.trusted(), signal });
    },
    verifyLedger: async (expected, signal) => {
      const { verifyLedger } = await import('./repository/ledger-verify.ts');
      return verifyLedger(await parts.repository(signal), { trusted: await parts.keys.trusted(), expected, signal });
    },
    planRestore: async (reader: SetReader, options, run) => {
      const { planRestore } = await import('./restore/plan.ts');
      return planRestore({ ...run, ...(await volumesFor(parts, reader, options)), reader, runtime, cluster: await cluster() });
    },
    restore: (reader: SetReader, options, run) => restore(parts, reader, options, run),
    validate: async (reader: SetReader, options, run) => {
      const [{ runValidation }, { platformChecks }] = await Promise.all([
        import('./validate/run.ts'),
        import('./validate/platform-checks.ts'),
      ]);
      const checks = options.platform ? await platformChecks(settings.validation ?? {}) : [];
      const storageClasses = { ...settings.volumes?.storageClasses, ...options.storageClasses };
      return runValidation({ ...run, ...options, storageClasses, checks, reader, runtime, cluster: await cluster() });
    },
    volumes: async signal => {
      const { createVolumeCommands } = await import('./app/volume-work.ts');
      return createVolumeCommands({ ...parts, repository: await parts.repository(signal) });
    },
    close: async () => {
      // What was opened last needs what was opened before it.
      for (const resource of opened.reverse()) await resource.close().catch(() => {});
    },
  };
}

async function init(parts: Parts, signal: AbortSignal): Promise<Repository> {
  const { settings, keys, runtime, store } = parts;
  const { initRepository } = await import('./repository/repository.ts');
  const [recipients, signingPublicKey] = [await keys.recipients(), await keys.ownPublicKey()];
  const insecurePlaintext = settings.insecurePlaintext === true;
  const made = await initRepository(await store(), { recipients, signingPublicKey, runtime, insecurePlaintext, signal });
  const { createdFact, tellLedger } = await import('./app/ledger.ts');
  await tellLedger({ ...parts, repository: made }, () => [createdFact(made)]);
  return made;
}

async function backup(parts: Parts, run: Run): Promise<BackupOutcome> {
  const { settings, keys, runtime, cluster } = parts;
  const { tier = 'manual' } = settings;
  const recipients = await keys.recipients();
  if (recipients.length === 0 && settings.insecurePlaintext !== true) {
    throw new HoldfastError('RECIPIENT_MISSING', 'no recipient is configured: the backup could not be sealed, so it was not started');
  }
  const [{ runBackup }, signingKey] = await Promise.all([import('./backup/run.ts'), keys.signingKey()]);
  const repository = await parts.repository(run.signal);
  if (recipients.length === 0 && repository.info.recipientFingerprints.length > 0) {
    throw new HoldfastError('CONFIG_INVALID', `insecurePlaintext is on, but the backups in ${repository.store.url} are sealed`, {
      hint: 'leave --insecure-plaintext away, or make another repository with holdfast init --insecure-plaintext',
    });
  }
  const { capture = 'none' } = settings.volumes ?? {};
  const asked = partsWith(['resources'], capture);
  const outcome = await runBackup({
    ...run,
    ...{ repository, recipients, signingKey, runtime },
    ...(capture !== 'none' && { volumes: (await parts.volumes()).capture(volumesAmong(asked)), parts: asked.map(toBeFound) }),
    cluster: await cluster(),
    selection: selectionOf(settings),
    tier,
    sealIndex: settings.sealIndex === true,
    producerVersion: programVersion(),
  });
  const { backupFacts, tellLedger } = await import('./app/ledger.ts');
  await tellLedger({ ...parts, repository }, () => backupFacts({ ...parts, repository }, outcome, tier, run.signal));
  return outcome;
}

/** What becomes of a part that is asked for is found out. */
function toBeFound(part: Part): PartRecord {
  return { part, state: 'protected', reason: '' };
}

/** What a restore of this set needs besides, for volumes; nothing is opened where it has none. */
async function volumesFor(parts: Parts, { manifest }: SetReader, options: RestoreOptions) {
  const storageClasses = { ...parts.settings.volumes?.storageClasses, ...options.storageClasses };
  const wanted = { options: { ...options, storageClasses } };
  if (manifest.volumes.every(({ state }) => state !== 'captured') || options.volumes === 'none') return wanted;
  return { ...wanted, volumes: { ...(await parts.volumes()), identities: await parts.keys.identities() } };
}

async function restore(parts: Parts, reader: SetReader, options: RestoreOptions, run: Run): Promise<RestoreOutcome> {
  const [{ runRestore }, { restoreEnded, restoreStarted, tellLedger }] = await Promise.all([
    import('./restore/run.ts'),
    import('./app/ledger.ts'),
  ]);
  const told = { ...parts, repository: await parts.repository(run.signal) };
  const { id } = reader.manifest;
  await tellLedger(told, () => [restoreStarted(id, options)]);
  let outcome: RestoreOutcome | undefined;
  try {
    const { runtime } = parts;
    const input = { ...run, ...(await volumesFor(parts, reader, options)), reader, runtime, cluster: await parts.cluster() };
    outcome = await runRestore(input);
    return outcome;
  } finally {
    await tellLedger(told, () => [restoreEnded(id, outcome)]);
  }
}

function selectionOf({ selection = {} }: Settings): Selection {
  const given = Object.entries(selection).filter(([, value]) => value !== undefined);
  return { ...everything, ...(Object.fromEntries(given) as Partial<Selection>) };
}

import { hostname } from 'node:os';
import type { ListeningApi } from '../api/listen.ts';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { fencedCluster } from '../cluster/fenced-cluster.ts';
import type { Config } from '../config/load.ts';
import { type ServiceConfig, serviceConfig } from '../config/service.ts';
import { programVersion } from '../config/version.ts';
import { watchConfig } from '../config/watch.ts';
import { asHoldfastError, HoldfastError } from '../domain/errors.ts';
import type { Fence } from '../domain/fence.ts';
import { isEnded } from '../domain/operation.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { Runtime } from '../domain/runtime.ts';
import { createOperations } from '../operations/operations.ts';
import { openLedger } from '../repository/ledger.ts';
import { openLiveCatalog } from '../repository/live-catalog.ts';
import { openRepository, type Repository } from '../repository/repository.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import { settleBackup } from '../service/backup-jobs.ts';
import { watchCluster } from '../service/cluster-watch.ts';
import { createEventBus } from '../service/event-bus.ts';
import { createService } from '../service/service.ts';
import { leadTerm } from '../service/term.ts';
import { type Look, watchRepository } from '../service/watch.ts';
import type { Term, World } from '../service/world.ts';
import { fencedStore } from '../storage/fenced-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { createAuthenticator, createAuthorizer } from './access.ts';
import { openCluster, openRetriedStore, systemRuntime } from './adapters.ts';
import { openKeys } from './keys.ts';
import { collector } from './memory.ts';
import { openObservation } from './observation.ts';
import { rulesOf } from './service-rules.ts';
import { openVolumes } from './volumes.ts';

/** Operations that run at once. */
const mostOperations = 4;
const storeDelayMs = 5_000;
/** What the ledger is still to be told when nothing is answered any more. */
const lastEntriesMs = 3_000;

export interface ServeOptions {
  readonly config: Config;
  /** Reads the configuration anew. */
  readonly reload: () => Promise<Config>;
  /** Ends the service in order. */
  readonly signal: AbortSignal;
  /** Told of every wish to read the configuration anew. */
  readonly onHangup?: (listener: () => void) => void;
  readonly runtime?: Runtime;
  /** Called once the API answers. */
  readonly onReady?: (addresses: { readonly api: string; readonly metrics: string }) => void;
}

/** Runs the service until the signal aborts. CONFIG_INVALID, REPO_NOT_FOUND, RECIPIENT_MISSING and their like before anything is served. */
export async function serve({ config: first, reload, signal, onHangup, runtime = systemRuntime, onReady }: ServeOptions): Promise<void> {
  const atStart = await serviceConfig(first);
  let inForce = { service: atStart, rules: rulesOf(first, atStart) };
  const observation = openObservation(atStart, runtime);
  const { log } = observation;
  const onWarning = (text: string) => log.warn({}, text);
  for (const warning of first.warnings) onWarning(warning);

  const keys = await readKeys(first, onWarning);
  const { store, through } = await openRetriedStore(first, runtime);
  const cluster = await openCluster(first, runtime);
  const repository = await openWaiting(store, runtime, signal, thrown => log.error({ err: thrown }, 'the repository cannot be opened yet'));

  const volumes = await openVolumes(first, {
    ...{ runtime, recipients: keys.recipients, onWarning, observer: observation.volumes },
    policies: () => inForce.rules.policies,
  });
  // Known as soon as the API server answers; until then no set is left out for being another cluster’s.
  let clusterId = '';
  const knowCluster = async () => {
    clusterId ||= await clusterUid(cluster).catch(() => '');
    return clusterId;
  };
  void knowCluster();
  let term: Term | undefined;
  let scheduler: Scheduler | undefined;
  const [stopping, unelect, closing] = [new AbortController(), new AbortController(), new AbortController()];
  const operations = createOperations({
    ...{ repository, runtime, most: mostOperations, fence: () => term?.fence },
    settle: (request, within) => settleBackup(world, request, within),
  });
  const collect = collector(runtime, closing.signal);
  const world: World = {
    ...{ version: programVersion(), runtime, log, repository, cluster, operations, keys },
    catalog: openLiveCatalog(repository, { trusted: keys.trusted, onNotice: onWarning }),
    ledger: openLedger(repository, { signingKey: keys.signingKey, trusted: keys.trusted, runtime }),
    events: createEventBus(),
    sealIndex: first.settings.sealIndex === true,
    identityDir: atStart.identityDir,
    forget: collect,
    rules: () => inForce.rules,
    volumes: volumes.on({ cluster, store, repositoryId: repository.info.id }),
    volumeMetrics: observation.volumes,
    term: () => term,
  };
  let isFirstLook = true;
  const onLook = (look: Look): void => {
    observation.onLook(look);
    // What the catalog was read from is garbage now.
    if (isFirstLook && look.objectives !== undefined) collect();
    isFirstLook &&= look.objectives === undefined;
  };
  const watch = watchRepository(world, { signal: closing.signal, onLook, clusterId: () => clusterId });
  operations.subscribe((type, { phase }) => {
    if (type === 'changed' && isEnded(phase)) collect();
  });
  const clusterWatch = watchCluster(world, closing.signal);
  const readiness = () => [...watch.readiness(), ...clusterWatch.readiness()];
  const service = createService(world, { readiness, objectives: watch.objectives });
  const identity = first.environment.variables['POD_NAME'] ?? hostname();
  observation.attach({ world, watch, clusterWatch, identity, signal: closing.signal });

  const access = { cluster, runtime, onWarning, service: () => inForce.service };
  const [authenticator, authorizer] = [await createAuthenticator(access), await createAuthorizer(access)];
  const api = await listenWith(atStart, {
    service,
    authenticator,
    authorizer,
    runtime,
    onWarning,
    log,
    onAnswer: observation.onAnswer,
  });
  const metrics = await observation.serveMetrics();
  log.info({ api: api.url, metrics: metrics.url, location: store.url, server: cluster.server }, 'serving');
  onReady?.({ api: api.url, metrics: metrics.url });

  const reloading = watchConfig({
    ...{ current: first, load: reload, runtime, signal: closing.signal },
    onChange: (changed, changes) => {
      serviceConfig(changed).then(
        service => {
          inForce = { service, rules: rulesOf(changed, service) };
          for (const { setting, needsRestart } of changes) {
            if (needsRestart) log.warn({ setting }, 'a setting was changed that counts only after a restart');
            else log.info({ setting }, 'a setting was changed');
          }
          observation.onConfig(service);
          scheduler?.poke();
        },
        thrown => observation.onInvalidConfig(asHoldfastError(thrown)),
      );
    },
    onInvalid: observation.onInvalidConfig,
  });
  onHangup?.(() => reloading.poke());

  const lead = async (leadership: { readonly signal: AbortSignal; readonly fence: Fence }): Promise<void> => {
    const { fence } = leadership;
    const [fenced, fencedTo] = [fencedCluster(cluster, fence), through(bare => fencedStore(bare, fence))];
    const mine: Term = {
      ...{ signal: leadership.signal, fence, cluster: fenced },
      repository: { ...repository, store: fencedTo },
      volumes: volumes.on({ cluster: fenced, store: fencedTo, repositoryId: repository.info.id }),
    };
    term = mine;
    const told = observation.lead(leadership.signal);
    try {
      const onScheduler = (made: Scheduler) => {
        scheduler = made;
        // The term has begun: what was left is finished, the first plan of retention made.
        collect();
      };
      await leadTerm(world, mine, {
        clusterId: await knowCluster(),
        onScheduler,
        onMissed: observation.onMissed,
        stopping: stopping.signal,
      });
      await aborted(leadership.signal);
    } finally {
      scheduler = undefined;
      await operations.abandon(asHoldfastError(leadership.signal.reason ?? new HoldfastError('NOT_LEADER', 'the term has ended')));
      if (term === mine) term = undefined;
      await told;
      log.info({}, 'not leading any more');
    }
  };
  const onNewLeader = (holder: string) => log.info({ holder }, 'the holder of the lease has changed');
  const election = elect(atStart, identity, {
    cluster,
    runtime,
    lead,
    signal: unelect.signal,
    onNewLeader,
    onTrouble: error => log.warn({ err: error }, 'the lease gives trouble'),
  });

  try {
    await Promise.race([aborted(signal), election]);
  } finally {
    log.info({ reason: asHoldfastError(signal.reason).message }, 'stopping');
    stopping.abort();
    await operations.drain(inForce.service.shutdownGraceMs);
    unelect.abort(new HoldfastError('SHUTTING_DOWN', 'the service is being stopped'));
    await election.catch(() => {});
    closing.abort();
    await Promise.all([api.close(), metrics.close(), reloading.ended, watch.ended, clusterWatch.ended, observation.close()]);
    await Promise.race([world.ledger.idle(), runtime.sleep(lastEntriesMs)]);
    await Promise.allSettled([store.close(), cluster.close(), volumes.close()]);
    log.info({}, 'stopped');
  }
}

async function readKeys({ settings }: Config, onWarning: (text: string) => void): Promise<World['keys']> {
  const keys = openKeys(settings, onWarning);
  const recipients = await keys.recipients();
  if (recipients.length === 0 && settings.insecurePlaintext !== true) {
    throw new HoldfastError('RECIPIENT_MISSING', 'no recipient is configured: backups could not be sealed, so the service was not started');
  }
  return { recipients, signingKey: await keys.signingKey(), trusted: await keys.trusted() };
}

/** A location that does not answer is waited for; one that holds no repository is an error. */
async function openWaiting(
  store: ObjectStore,
  runtime: Runtime,
  signal: AbortSignal,
  onTrouble: (thrown: HoldfastError) => void,
): Promise<Repository> {
  for (;;) {
    try {
      return await openRepository(store, { signal });
    } catch (thrown) {
      signal.throwIfAborted();
      const error = asHoldfastError(thrown);
      if (!error.retryable) throw error;
      onTrouble(error);
      await runtime.sleep(storeDelayMs, signal);
    }
  }
}

type ListenParts = Omit<Parameters<typeof import('../api/listen.ts').listenApi>[0], keyof ServiceConfig | 'host' | 'port'>;

async function listenWith(config: ServiceConfig, parts: ListenParts): Promise<ListeningApi> {
  const { listenApi } = await import('../api/listen.ts');
  const { listen, tls, insecureHttp, trustedProxies } = config;
  const limits = { ...config.limits, requestMs: config.limits.handlerMs };
  return listenApi({ ...parts, ...listen, insecureHttp, trustedProxies, limits, ...(tls !== undefined && { tls }) });
}

interface ElectionParts {
  readonly cluster: ClusterApi;
  readonly runtime: Runtime;
  readonly lead: (leadership: { readonly signal: AbortSignal; readonly fence: Fence }) => Promise<void>;
  readonly onTrouble: (error: HoldfastError) => void;
  readonly onNewLeader: (holder: string) => void;
  readonly signal: AbortSignal;
}

/** Without an election this process leads from its start to its end. */
async function elect(
  config: ServiceConfig,
  identity: string,
  { cluster, runtime, lead, onTrouble, onNewLeader, signal }: ElectionParts,
): Promise<void> {
  const { enabled, namespace, name, ...timings } = config.leaderElection;
  if (!enabled) return lead({ signal, fence: { check: () => {} } });
  const [{ createLease }, { runLeaderElection }] = await Promise.all([import('../cluster/lease.ts'), import('../schedule/leader.ts')]);
  await runLeaderElection({
    ...{ runtime, signal, onTrouble, onNewLeader, identity, timings },
    lease: createLease(cluster, { namespace, name, labels: { 'app.kubernetes.io/name': 'holdfast' } }),
    monotonic: () => performance.now(),
    onStartedLeading: lead,
  });
}

const namespaces: ResourceKind = {
  ...{ group: '', version: 'v1', resource: 'namespaces', kind: 'Namespace' },
  ...{ namespaced: false, verbs: ['get'], subresources: [] },
};

/** The usual identity of a cluster: spreads the runs of many. */
async function clusterUid(cluster: ClusterApi): Promise<string> {
  const json = await cluster.get(namespaces, '', 'kube-system', { signal: AbortSignal.timeout(10_000) });
  return json === undefined ? '' : ((JSON.parse(json) as { metadata: { uid: string } }).metadata.uid ?? '');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

import type { Service } from '../api/service.ts';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { fencedCluster } from '../cluster/fenced-cluster.ts';
import { programVersion } from '../config/version.ts';
import { asHoldfastError, HoldfastError } from '../domain/errors.ts';
import { isEnded } from '../domain/operation.ts';
import { aborted, type Runtime } from '../domain/runtime.ts';
import { createOperations } from '../operations/operations.ts';
import { openLedger } from '../repository/ledger.ts';
import { openLiveCatalog } from '../repository/live-catalog.ts';
import { requireOwnRecipients } from '../repository/own-recipients.ts';
import type { Repository } from '../repository/repository.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import { settleBackup } from '../service/backup-jobs.ts';
import { watchCluster } from '../service/cluster-watch.ts';
import { createEventBus } from '../service/event-bus.ts';
import type { Home } from '../service/home.ts';
import { openOwnCluster } from '../service/own-cluster.ts';
import { createService } from '../service/service.ts';
import { leadTerm } from '../service/term.ts';
import { type Look, watchRepository } from '../service/watch.ts';
import { currentTerm, type Term, type World } from '../service/world.ts';
import { fencedStore } from '../storage/fenced-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { openCluster, openRetriedStore } from './adapters.ts';
import { elect, type Leading } from './election.ts';
import type { InForce } from './in-force.ts';
import { type LiveVolumes, liveVolumes } from './live-volumes.ts';
import { collector } from './memory.ts';
import type { Observation } from './observation.ts';
import { openVolumes, type VolumesFactory } from './volumes.ts';

/** Operations that run at once: one of each kind, and room for backups. */
const mostOperations = 6;
/** What the ledger is still to be told when nothing is answered any more. */
const lastEntriesMs = 3_000;

/**
 * The service from when its location, keys, cluster and Lease are opened to when they are given up. A process has one after the other: some
 * settings cannot change within one.
 */
export interface Life {
  /** For the API. Ready only once the life has begun. */
  readonly service: Service;
  readonly cluster: ClusterApi;
  readonly location: string;
  /** Looks around, and leads or waits to lead. To be called once. */
  begin(): void;
  /** What may change within a life; takes it up with the call of what it resolves with. CONFIG_INVALID, RECIPIENT_MISSING. */
  prepare(next: InForce): Promise<() => void>;
  /** Starts nothing more; what runs has the time of `shutdownGrace` to end, then the lead is given back. Requests are answered on. */
  end(why: 'stopped' | 'opened anew'): Promise<void>;
  /** After the end, or instead of the beginning. */
  close(): Promise<void>;
}

export interface LifeParts {
  readonly runtime: Runtime;
  readonly observation: Observation;
  readonly onWarning: (text: string) => void;
  /** Of this replica. */
  readonly identity: string;
  readonly openRepository: (store: ObjectStore) => Promise<Repository>;
  /** It cannot go on. */
  readonly onFailed: (thrown: unknown) => void;
}

/** Asks nothing but for the repository, and writes nothing. KUBECONFIG_INVALID, CONFIG_INVALID for recipients too that are not the repository’s, and what `openRepository` rejects with. */
export async function openLife(first: InForce, parts: LifeParts): Promise<Life> {
  const { runtime } = parts;
  const { store, through } = await openRetriedStore(first.config, runtime);
  const opened: { close(): Promise<void> }[] = [store];
  const close = async () => void (await Promise.allSettled(opened.map(one => one.close())));
  try {
    const cluster = await openCluster(first.config, runtime);
    opened.push(cluster);
    const now = { inForce: first };
    const volumes = liveVolumes(await newVolumes(first, now, parts));
    opened.push(volumes);
    const repository = await parts.openRepository(store);
    requireOwnRecipients(repository.info, first.keys.recipients);
    const { written, ...life } = lifeOf(now, parts, { store, through, cluster, volumes, repository });
    return { ...life, close: () => written().then(close) };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** What a life goes by at the moment. */
interface Now {
  inForce: InForce;
}

interface Opened extends Omit<Awaited<ReturnType<typeof openRetriedStore>>, 'bare'> {
  readonly cluster: ClusterApi;
  readonly volumes: LiveVolumes;
  readonly repository: Repository;
}

interface Unclosed extends Omit<Life, 'close'> {
  /** Resolves when the ledger is told of everything, or a moment has passed. */
  written(): Promise<void>;
}

function lifeOf(now: Now, parts: LifeParts, opened: Opened): Unclosed {
  const { store, through, cluster, volumes, repository } = opened;
  const { runtime, observation, onWarning, identity } = parts;
  const { log } = observation;
  let term: Term | undefined;
  let scheduler: Scheduler | undefined;
  let looking: (Pick<ReturnType<typeof watchRepository>, 'objectives' | 'readiness'> & { readonly ended: Promise<unknown> }) | undefined;
  let election = Promise.resolve();
  const [stopping, unelect, closing] = [new AbortController(), new AbortController(), new AbortController()];
  const own = openOwnCluster({ cluster, log, runtime });
  const { signingKey, trusted } = now.inForce.keys;
  const volumesToRead = volumes.on({ cluster, store, repositoryId: repository.info.id });
  const collect = collector(runtime, closing.signal);
  const world: World = {
    ...{ version: programVersion(), runtime, log, repository, cluster },
    operations: createOperations({
      // Their puts are tried for minutes: what was stopped meanwhile must not write where another replica leads.
      repository: { ...repository, store: through(bare => fencedStore(bare, { check: () => void currentTerm(world) })) },
      ...{ runtime, most: mostOperations, fence: () => term?.fence },
      settle: (request, within) => settleBackup(world, request, within),
      cluster: () => own.known()?.identity,
    }),
    catalog: openLiveCatalog(repository, { trusted, onNotice: onWarning }),
    ledger: openLedger(repository, { signingKey, trusted, runtime }),
    events: createEventBus(),
    forget: collect,
    volumeMetrics: observation.volumes,
    rules: () => now.inForce.rules,
    term: () => term,
    get keys() {
      return now.inForce.keys;
    },
    get sealIndex() {
      return now.inForce.config.settings.sealIndex === true;
    },
    get identityDir() {
      return now.inForce.service.identityDir;
    },
    get volumes() {
      return volumesToRead();
    },
    get home() {
      return own.known();
    },
  };
  const service = createService(world, {
    readiness: () => looking?.readiness() ?? ['repository', 'cluster'].map(name => ({ name, ok: false })),
    objectives: () => looking?.objectives() ?? [],
  });

  let isFirstLook = true;
  const onLook = (look: Look): void => {
    observation.onLook(look);
    // What the catalog was read from is garbage now.
    if (isFirstLook && look.objectives !== undefined) collect();
    isFirstLook &&= look.objectives === undefined;
  };
  world.operations.subscribe((type, { phase }) => {
    if (type === 'changed' && isEnded(phase)) collect();
  });

  const lead = async ({ signal, fence }: Leading): Promise<void> => {
    const [fenced, fencedTo] = [fencedCluster(cluster, fence), through(bare => fencedStore(bare, fence))];
    const volumesToWrite = volumes.on({ cluster: fenced, store: fencedTo, repositoryId: repository.info.id });
    const mine: Term = {
      ...{ signal, fence, cluster: fenced, repository: { ...repository, store: fencedTo } },
      get volumes() {
        return volumesToWrite();
      },
    };
    let told = Promise.resolve();
    const findHome = async (within: AbortSignal): Promise<Home> => {
      const found = await own.ask(within);
      within.throwIfAborted();
      // Not before: what was taken on would say of no cluster, and a service of another one could take it for its own.
      term = mine;
      told = observation.lead(signal);
      return found;
    };
    try {
      const onScheduler = (made: Scheduler) => {
        scheduler = made;
        // The term has begun: what was left is finished, the first plan of retention made.
        collect();
      };
      const { onMissed } = observation;
      await leadTerm(world, mine, { findHome, onScheduler, onMissed, stopping: stopping.signal });
      await aborted(signal);
    } finally {
      scheduler = undefined;
      await world.operations.abandon(asHoldfastError(signal.reason ?? new HoldfastError('NOT_LEADER', 'the term has ended')));
      if (term === mine) term = undefined;
      await told;
      log.info({}, 'not leading any more');
    }
  };

  return {
    ...{ service, cluster, location: store.url },
    begin: () => {
      void own.lookFor(closing.signal);
      const watch = watchRepository(world, { signal: closing.signal, onLook });
      const clusterWatch = watchCluster(world, closing.signal);
      looking = {
        objectives: watch.objectives,
        readiness: () => [...watch.readiness(), ...clusterWatch.readiness()],
        ended: Promise.all([watch.ended, clusterWatch.ended]),
      };
      observation.attach({ service: now.inForce.service, world, watch, clusterWatch, identity, signal: closing.signal });
      election = elect(now.inForce.service.leaderElection, {
        ...{ identity, cluster, runtime, lead, signal: unelect.signal },
        onNewLeader: holder => log.info({ holder }, 'the holder of the lease has changed'),
        onTrouble: error => log.warn({ err: error }, 'the lease gives trouble'),
      });
      election.catch(parts.onFailed);
    },
    prepare: async next => {
      requireOwnRecipients(repository.info, next.keys.recipients);
      const made = volumesOf(next) === volumesOf(now.inForce) ? undefined : await newVolumes(next, now, parts);
      return () => {
        now.inForce = next;
        if (made !== undefined) volumes.replace(made);
        scheduler?.poke();
      };
    },
    end: async why => {
      stopping.abort();
      await world.operations.drain(now.inForce.service.shutdownGraceMs, why);
      unelect.abort(new HoldfastError('SHUTTING_DOWN', `the service is being ${why}`));
      await election.catch(() => {});
      closing.abort();
      await Promise.all([looking?.ended, observation.lastWords()]);
    },
    written: () => Promise.race([world.ledger.idle(), runtime.sleep(lastEntriesMs)]),
  };
}

function newVolumes({ config, keys }: InForce, now: Now, { runtime, onWarning, observation }: LifeParts): Promise<VolumesFactory> {
  const policies = () => now.inForce.rules.policies;
  return openVolumes(config, { runtime, recipients: keys.recipients, onWarning, observer: observation.volumes, policies });
}

/** What volumes are made by, within a life. */
function volumesOf({ config, keys }: InForce): string {
  return JSON.stringify([config.settings.volumes, keys.recipients]);
}

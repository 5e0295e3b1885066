import { rm } from 'node:fs/promises';
import type { ClusterApi } from '../../src/cluster/cluster-api.ts';
import { generateIdentity } from '../../src/crypto/age.ts';
import { generateSigningKey } from '../../src/crypto/signing.ts';
import { HoldfastError } from '../../src/domain/errors.ts';
import type { Policy } from '../../src/domain/policy.ts';
import type { Runtime } from '../../src/domain/runtime.ts';
import { createOperations } from '../../src/operations/operations.ts';
import { type Ledger, openLedger } from '../../src/repository/ledger.ts';
import { type LiveCatalog, openLiveCatalog } from '../../src/repository/live-catalog.ts';
import { initRepository, openRepository } from '../../src/repository/repository.ts';
import type { MissedFire } from '../../src/schedule/due.ts';
import { settleBackup } from '../../src/service/backup-jobs.ts';
import { createEventBus } from '../../src/service/event-bus.ts';
import type { Home } from '../../src/service/home.ts';
import { createService } from '../../src/service/service.ts';
import { leadTerm } from '../../src/service/term.ts';
import type { Term, World } from '../../src/service/world.ts';
import { createFileStore } from '../../src/storage/file-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { tempDir } from '../cluster/temp-dir.ts';
import type { OpenLocation } from './journey.ts';
import { testRuntime } from './runtime.ts';
import type { LeapingClock } from './serve-clock.ts';

/** A repository in a folder of its own, made at that time. */
export async function openYearRepository(now: () => Date): Promise<OpenLocation> {
  const dir = await tempDir('year');
  const { identity, recipient } = await generateIdentity();
  const { privatePem, publicPem } = generateSigningKey();
  const runtime = { ...testRuntime, now };
  const repository = await initRepository(createFileStore(dir), { recipients: [recipient], signingPublicKey: publicPem, runtime });
  return {
    ...{ repository, dir, identity, recipients: [recipient], signingKey: privatePem, signingPublicKey: publicPem },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/** What goes wrong around the service, as a test sets it. */
export interface Trouble {
  storeAway: boolean;
  clusterAway: boolean;
  /** Called after a key was written; the writer learns of it afterwards, unless it was killed by then. */
  onPut: (key: string) => void;
}

export interface LifeOptions {
  readonly clock: LeapingClock;
  readonly location: OpenLocation;
  readonly cluster: ClusterApi;
  /** Of its kube-system namespace. */
  readonly clusterId: string;
  readonly policies: readonly Policy[];
  readonly trouble: Trouble;
  /** When each key was written, by the clock of the test: the file system has another one. */
  readonly written: Map<string, Date>;
  readonly onMissed: (missed: MissedFire) => void;
}

/** One life of the service, from when it has begun to its end: as `serve` puts it together, without what listens. */
export interface Life {
  readonly world: World;
  readonly service: ReturnType<typeof createService>;
  /** As for SIGTERM. */
  stop(): Promise<void>;
  /** As by `kill -9`: from here on it does nothing any more. */
  kill(): void;
}

export async function beginLife({ clock, location, cluster, clusterId, policies, trouble, written, onMissed }: LifeOptions): Promise<Life> {
  const calls = { open: 0, dead: false };
  let running = () => 0;
  const runtime = clock.process({ calls: () => calls.open, operations: () => running() });
  const store = storeOf(location.repository.store, { calls, trouble, written, runtime });
  const api = clusterOf(cluster, calls, trouble);
  const repository = await openRepository(store);
  const ended = new AbortController();
  const stopping = new AbortController();
  let term: Term | undefined;
  const operations = createOperations({
    ...{ repository, runtime, most: 4, fence: () => term?.fence },
    settle: (request, within) => settleBackup(world, request, within),
    cluster: () => home.identity,
  });
  // Made before any clock of the test.
  const home: Home = { identity: { uid: clusterId, server: cluster.server }, since: new Date(0) };
  running = () => operations.active().length;
  const { signingKey, recipients, signingPublicKey } = location;
  const keys = { recipients, signingKey, trusted: [signingPublicKey] };
  const ledger = openLedger(repository, { signingKey, trusted: keys.trusted, runtime });
  const begun = Promise.withResolvers<void>();
  const append: Ledger['append'] = async (fact, call) => {
    const entry = await ledger.append(fact, call);
    if (fact.action === 'service.started') begun.resolve();
    return entry;
  };
  const world: World = {
    ...{ version: '0.0.0-test', runtime, repository, cluster: api, home, operations, keys },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    catalog: catalogOf(openLiveCatalog(repository, { trusted: keys.trusted }), calls),
    ledger: { ...ledger, append },
    events: createEventBus(),
    sealIndex: false,
    identityDir: undefined,
    rules: () => ({
      ...{ policies, maxShare: 0.25, retentionSchedule: '30 4 * * *', operationsKeptMs: 90 * 86_400_000, catalogRefreshMs: 60_000 },
      platformChecks: async () => [],
    }),
    term: () => term,
  };
  term = { signal: ended.signal, fence: { check: () => {} }, cluster: api, repository };
  const led = leadTerm(world, term, { findHome: async () => home, onScheduler: () => {}, onMissed, stopping: stopping.signal });
  await begun.promise;
  return {
    world,
    service: createService(world, { readiness: () => [], objectives: () => [] }),
    stop: async () => {
      stopping.abort();
      await operations.drain(25_000);
      ended.abort(new HoldfastError('SHUTTING_DOWN', 'the service is being stopped'));
      await led;
      runtime.die();
    },
    kill: () => {
      calls.dead = true;
      runtime.die();
    },
  };
}

interface Calls {
  open: number;
  dead: boolean;
}

const forever = new Promise<never>(() => {});

/** Counts a call while it lasts; one of a dead process is never answered. */
async function counted<T>(calls: Calls, call: () => Promise<T>): Promise<T> {
  if (calls.dead) return forever;
  calls.open++;
  try {
    const answer = await call();
    return calls.dead ? await forever : answer;
  } finally {
    calls.open--;
  }
}

async function* countedStream<T>(calls: Calls, open: () => AsyncIterable<T>): AsyncGenerator<T> {
  const items = open()[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await counted(calls, async () => items.next());
      if (done === true) return;
      yield value;
    }
  } finally {
    await items.return?.();
  }
}

/** Compressing a snapshot is done by threads, between calls. */
function catalogOf(inner: LiveCatalog, calls: Calls): LiveCatalog {
  return {
    ...inner,
    refresh: options => counted(calls, () => inner.refresh(options)),
    keepSnapshot: options => counted(calls, () => inner.keepSnapshot(options)),
  };
}

interface StoreParts {
  readonly calls: Calls;
  readonly trouble: Trouble;
  readonly written: Map<string, Date>;
  readonly runtime: Pick<Runtime, 'now'>;
}

function storeOf(inner: ObjectStore, { calls, trouble, written, runtime }: StoreParts): ObjectStore {
  const reach = () => {
    if (trouble.storeAway) throw new HoldfastError('STORE_UNREACHABLE', 'the store does not answer');
  };
  const once = <T>(call: () => Promise<T>): Promise<T> =>
    counted(calls, async () => {
      reach();
      return call();
    });
  const stream = <T>(open: () => AsyncIterable<T>): AsyncIterable<T> =>
    countedStream(calls, () => {
      reach();
      return open();
    });
  const dated = <T extends { readonly key: string; readonly modified: Date }>(object: T): T => ({
    ...object,
    modified: written.get(object.key) ?? object.modified,
  });
  return {
    url: inner.url,
    put: (key, body, options) =>
      once(async () => {
        const stored = await inner.put(key, body, options);
        written.set(key, runtime.now());
        trouble.onPut(key);
        return stored;
      }),
    get: (key, options) => stream(() => inner.get(key, options)),
    head: (key, options) =>
      once(async () => {
        const found = await inner.head(key, options);
        return found && dated(found);
      }),
    list: (prefix, options) =>
      stream(async function* () {
        for await (const object of inner.list(prefix, options)) yield dated(object);
      }),
    listNames: (prefix, options) => stream(() => inner.listNames(prefix, options)),
    delete: (key, options) => once(() => inner.delete(key, options)),
    close: async () => {},
  };
}

function clusterOf(inner: ClusterApi, calls: Calls, trouble: Trouble): ClusterApi {
  const call = <T>(work: () => Promise<T>): Promise<T> =>
    counted(calls, async () => {
      if (trouble.clusterAway) throw new HoldfastError('CLUSTER_UNREACHABLE', 'the API server does not answer');
      return work();
    });
  return {
    server: inner.server,
    version: options => call(() => inner.version(options)),
    discover: options => call(() => inner.discover(options)),
    list: (kind, sink, options) => call(() => inner.list(kind, sink, options)),
    watch: (kind, options) => call(() => inner.watch(kind, options)),
    get: (kind, namespace, name, options) => call(() => inner.get(kind, namespace, name, options)),
    create: (...args) => call(() => inner.create(...args)),
    update: (...args) => call(() => inner.update(...args)),
    patch: (...args) => call(() => inner.patch(...args)),
    delete: (...args) => call(() => inner.delete(...args)),
    close: async () => {},
  };
}

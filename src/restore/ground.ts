import type { ClusterApi, Discovery } from '../cluster/cluster-api.ts';
import type { IndexEntry } from '../domain/backup-set.ts';
import { mappedNamespace } from '../domain/namespace-mapping.ts';
import { kindName } from '../domain/resource.ts';
import type { RestoreOptions } from '../domain/restore-plan.ts';
import type { Progress, Runtime } from '../domain/runtime.ts';
import { checkVolumeSizes } from '../domain/volume-sizes.ts';
import { type LiveObjects, readLive } from '../live/live-objects.ts';
import type { SetReader } from '../repository/set-reader.ts';
import { type AssessContext, ownedOptions } from './assess.ts';
import { type Found, foundObject } from './found.ts';
import { findUnknownNamespaces } from './namespaces.ts';
import { Owners } from './owners.ts';
import { findScope, type Scope } from './scope.ts';
import { findTarget, kindToCome, type Target } from './targets.ts';
import type { VolumeTools } from './volumes/tools.ts';

export interface RestoreInput {
  readonly reader: SetReader;
  readonly cluster: ClusterApi;
  readonly options: RestoreOptions;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** What brings the data of claims back; without it, claims whose data is in the set fail, unless they are to be empty. */
  readonly volumes?: VolumeTools;
}

/** What is known before the first object is looked at: what the set has to give, and what the target has already. */
export interface Ground {
  readonly scope: Scope;
  readonly live: LiveObjects<Found>;
  /** Namespaces of the target that cannot be written to, and why. */
  readonly blocked: Map<string, string>;
  readonly owners: Owners;
  readonly assessing: AssessContext;
  /** How an object's kind can be written to the target. */
  target(entry: Pick<IndexEntry, 'group' | 'resource'>): Target;
  /** After definitions were written: looks again at what the target serves. */
  rediscover(): Promise<void>;
  /** Kinds whose definitions are part of the restore and that the target does not serve yet. */
  awaited(): readonly string[];
}

/** More namespaces than this are read by one list of all. */
const mostNamespaceLists = 8;

/** Reads the index, the target's kinds and all its objects of those kinds; writes nothing. USAGE, VOLUME_FULL for sizes that cannot be. */
export async function surveyGround(input: RestoreInput): Promise<Ground> {
  const { cluster, options, signal, progress } = input;
  checkVolumeSizes(input.reader.manifest.volumes, options.volumeSizes);
  progress({ phase: 'plan', detail: 'reading the index' });
  const scope = await findScope(input.reader, options, signal);
  let discovery = await cluster.discover({ signal });
  let targets = findTargets(scope, discovery);
  progress({ phase: 'plan', detail: 'reading the target', objects: 0, totalObjects: scope.objects });
  const kinds = [...targets.values()].flatMap(target => ('kind' in target && !target.toCome ? [target.kind] : []));
  const namespaces = [...scope.namespaces].map(name => mappedNamespace(options.namespaceMapping, name));
  const owned = ownedOptions(options);
  const live = await readLive(cluster, kinds, {
    record: (kind, object) => foundObject(kind, object, owned),
    signal,
    namespaces: namespaces.length <= mostNamespaceLists ? namespaces : [],
  });
  await findUnknownNamespaces(input, { scope, live });
  const owners = new Owners({ cluster, discovery: () => discovery, scope, live, mapping: options.namespaceMapping, signal });
  return {
    scope,
    live,
    owners,
    blocked: new Map(),
    assessing: { options, owners, now: input.runtime.now() },
    target: entry => targets.get(kindName(entry)) ?? { missing: `${kindName(entry)} is not part of the restore` },
    rediscover: async () => {
      discovery = await cluster.discover({ signal });
      targets = findTargets(scope, discovery);
    },
    awaited: () => [...targets].flatMap(([name, target]) => ('kind' in target && target.toCome ? [name] : [])),
  };
}

function findTargets(scope: Scope, discovery: Discovery): Map<string, Target> {
  return new Map(
    scope.kinds.map(kind => {
      const target = findTarget(discovery, kind);
      const comes = 'missing' in target && !target.served && scope.definitions.has(kindName(kind));
      return [kindName(kind), comes ? { kind: kindToCome(kind), toCome: true } : target];
    }),
  );
}

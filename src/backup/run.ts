import type { ClusterApi } from '../cluster/cluster-api.ts';
import { recipientFingerprint } from '../crypto/age.ts';
import type { BackupOutcome, Exclusion, ItemProblem, KindRecord, Manifest, PartRecord } from '../domain/backup-set.ts';
import { asHoldfastError, HoldfastError } from '../domain/errors.ts';
import { stringAt } from '../domain/json.ts';
import type { Fire } from '../domain/policy.ts';
import { kindName } from '../domain/resource.ts';
import type { Progress, Runtime } from '../domain/runtime.ts';
import type { Selection } from '../domain/selection.ts';
import { newSetId } from '../domain/set-id.ts';
import type { VolumeRecord } from '../domain/volume.ts';
import { fileKey, manifestKey } from '../repository/layout.ts';
import { encodeManifest } from '../repository/manifest.ts';
import { requireOwnRecipients } from '../repository/own-recipients.ts';
import type { Repository } from '../repository/repository.ts';
import { type ArchiveResult, openArchive } from './archive.ts';
import { type Reading, readInstant } from './instant.ts';
import { readKubeSystem } from './kube-system.ts';
import { planRead, type ReadPlan } from './read-plan.ts';
import type { CapturedVolumes, CaptureVolumes, SetEnd } from './volumes/capture.ts';
import { volumePart, volumeProblems, volumeRecords } from './volumes/records.ts';

export interface BackupRequest {
  readonly repository: Repository;
  readonly cluster: ClusterApi;
  /** age recipients; they must be those the repository was made with. Empty only for a repository made without encryption. */
  readonly recipients: readonly string[];
  /** Ed25519 private key, PEM. */
  readonly signingKey: string;
  readonly selection: Selection;
  /** Label of the set: lower-case words joined by `-`. */
  readonly tier: string;
  readonly sealIndex: boolean;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly producerVersion: string;
  /** The scheduled runs that the set is to stand for. */
  readonly fires?: readonly Fire[];
  /** What the tier asks for, and what becomes of it; with `volumes`, what becomes of their parts is found out. */
  readonly parts?: readonly PartRecord[];
  /** Captures volumes while objects are read; without it they are not asked for. */
  readonly volumes?: CaptureVolumes;
  /**
   * Makes the set visible in place of the plain put of its manifest, and resolves with the manifest as it stands then. `bytes` is
   * `manifest.json`, signed. What it throws fails the backup.
   */
  readonly commit?: (manifest: Manifest, bytes: Uint8Array) => Promise<Manifest>;
}

/**
 * Takes one backup: discover → collect → archive → store → commit. The manifest is written last, so that a set is there whole or not at all.
 * What cannot be captured is named in the manifest and makes the set PartiallyFailed; what stops the backup makes it Failed, and nothing of
 * it is visible. Throws only for a request that makes no sense (usage errors) and for an abort.
 */
export async function runBackup(request: BackupRequest): Promise<BackupOutcome> {
  checkRequest(request);
  const { runtime, signal } = request;
  const started = runtime.now();
  const id = newSetId(started, request.tier, runtime.random(4));
  const elapsed = (): number => runtime.now().getTime() - started.getTime();
  try {
    const { manifest, settleMs } = await takeSet(request, id, started);
    return { phase: manifest.phase, manifest, durationMs: elapsed(), settleMs };
  } catch (thrown) {
    signal.throwIfAborted();
    const error = asHoldfastError(thrown);
    return { phase: 'Failed', id, error: { code: error.code, message: error.message }, durationMs: elapsed() };
  }
}

function putManifest({ repository, signal }: BackupRequest): NonNullable<BackupRequest['commit']> {
  return async (manifest, bytes) => {
    await repository.store.put(manifestKey(manifest.id), bytes, { signal });
    return manifest;
  };
}

function checkRequest(request: BackupRequest): void {
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(request.tier)) {
    throw new HoldfastError('USAGE', `tier ${JSON.stringify(request.tier)} is not made of lower-case words joined by "-"`);
  }
  requireOwnRecipients(request.repository.info, request.recipients);
}

async function takeSet(request: BackupRequest, id: string, started: Date): Promise<{ manifest: Manifest; settleMs: number }> {
  const { cluster, repository, runtime, selection, signal, progress } = request;
  progress({ phase: 'discover' });
  const [version, discovery] = await Promise.all([cluster.version({ signal }), cluster.discover({ signal })]);
  const plan = planRead(discovery, selection);
  progress({ phase: 'read', detail: `${plan.kinds.length} kinds` });
  const archive = openArchive(
    { kinds: plan.kinds, selection, recipients: request.recipients, sealIndex: request.sealIndex, digestKey: runtime.random(32) },
    {
      store: async (name, bytes) => {
        await repository.store.put(fileKey(id, name), bytes, { signal });
      },
      onPacked: (objects, bytes) => progress({ phase: 'read', objects, bytes }),
    },
  );
  const volumes = captureVolumes(request, id);
  let end: SetEnd = { state: 'gone' };
  try {
    const [reading, system] = await Promise.all([
      readInstant({ cluster, plan, labelSelector: selection.labelSelector, runtime, signal, memory: archive.memory, add: archive.add }),
      // Whatever is selected.
      readKubeSystem(cluster, signal),
    ]);
    progress({ phase: 'store' });
    const archived = await archive.finish();
    const captured = await volumes.captured;
    const of = { uid: stringAt(system, 'metadata', 'uid') ?? '', version, server: cluster.server };
    const composed = compose({ request, id, started, plan, reading, archived, captured, cluster: of });
    const bytes = encodeManifest(composed, request.signingKey);
    // Should it fail from here on, its manifest may be there all the same, or come late.
    end = { state: 'unknown' };
    const manifest = await (request.commit ?? putManifest(request))(composed, bytes);
    end = { state: 'there', hasSet: rememberingSets(repository) };
    return { manifest, settleMs: reading.settleMs };
  } finally {
    await Promise.all([archive.close(), volumes.stop(end)]);
  }
}

/** Begins with the volumes. What stops all of them is an error of each of them, and no reason to throw the objects away. */
function captureVolumes({ volumes, selection, signal, progress }: BackupRequest, id: string) {
  const stopping = new AbortController();
  const either = AbortSignal.any([signal, stopping.signal]);
  const captured = volumes?.({ id, selection }, { signal: either, progress }).catch((thrown: unknown) => {
    either.throwIfAborted();
    return asHoldfastError(thrown);
  });
  captured?.catch(() => {});
  return {
    captured,
    /** Ends what is still at work, and waits until it has cleaned up. */
    stop: async (end: SetEnd) => {
      stopping.abort(new HoldfastError('INTERRUPTED', 'the backup has ended'));
      const found = await captured?.catch(() => undefined);
      if (found !== undefined && 'settle' in found) await found.settle(end);
    },
  };
}

/** Is a set there? Each is asked for once. */
function rememberingSets({ store }: Repository): (id: string) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>();
  return id => {
    const asked = known.get(id) ?? store.head(manifestKey(id)).then(found => found !== undefined);
    known.set(id, asked);
    return asked;
  };
}

interface Captured {
  readonly request: BackupRequest;
  readonly id: string;
  readonly started: Date;
  readonly plan: ReadPlan;
  readonly reading: Reading;
  readonly archived: ArchiveResult;
  readonly captured: CapturedVolumes | HoldfastError | undefined;
  readonly cluster: Manifest['cluster'];
}

function compose(captured: Captured): Manifest {
  const { request, plan, reading, archived } = captured;
  const volumes = volumeRecords(archived.claims, captured.captured);
  const records = plan.kinds.map((kind, i): KindRecord => {
    const tally = archived.tallies[i]!;
    const { revision, consistency, attempt, error } = reading.kinds[i]!;
    const { group, version, resource, namespaced } = kind;
    return {
      ...{ group, version, resource, kind: kind.kind, namespaced, count: tally.count, bytes: tally.bytes, revision, consistency },
      ...(attempt > 1 ? { attempt } : {}),
      ...(error === undefined ? {} : { error }),
    };
  });
  const problems: ItemProblem[] = [
    ...plan.problems,
    ...records.flatMap(record => (record.error === undefined ? [] : [{ item: kindName(record), ...record.error }])),
    ...volumeProblems(volumes, captured.captured),
  ];
  if (records.length > 0 && records.every(record => record.error !== undefined)) {
    throw new HoldfastError(records[0]!.error!.code, `not one kind could be listed; the first: ${records[0]!.error!.message}`);
  }
  return {
    formatVersion: 1,
    id: captured.id,
    repository: request.repository.info.id,
    phase: problems.length === 0 ? 'Completed' : 'PartiallyFailed',
    tier: request.tier,
    ...(request.fires === undefined ? {} : { fires: request.fires }),
    ...(request.parts === undefined ? {} : { parts: partsOf(request, request.parts, volumes) }),
    startedAt: captured.started.toISOString(),
    finishedAt: request.runtime.now().toISOString(),
    producer: { name: 'holdfast', version: request.producerVersion },
    cluster: captured.cluster,
    consistency: reading.consistency,
    ...(reading.consistency === 'instant' && reading.revision !== undefined ? { revision: reading.revision } : {}),
    selection: request.selection,
    kinds: records,
    objects: records.reduce((sum, record) => sum + record.count, 0),
    bytes: records.reduce((sum, record) => sum + record.bytes, 0),
    excluded: exclusions(captured),
    problems,
    volumes,
    shards: archived.shards,
    index: archived.index,
    encryption: {
      scheme: request.recipients.length > 0 ? 'age' : 'none',
      recipients: request.recipients.map(recipientFingerprint),
      indexSealed: request.sealIndex && request.recipients.length > 0,
    },
  };
}

function exclusions({ plan, reading, archived }: Captured): Exclusion[] {
  const vanished = plan.kinds.flatMap((kind, i) =>
    reading.kinds[i]!.vanished === true ? [{ what: kindName(kind), reason: 'the kind was deleted while the backup ran' }] : [],
  );
  const objects = plan.kinds.flatMap((kind, i) =>
    Object.entries(archived.tallies[i]!.excluded).map(([reason, count]) => ({ what: kindName(kind), reason, count })),
  );
  return [...plan.excluded, ...vanished, ...objects];
}

function partsOf({ volumes: asked }: BackupRequest, parts: readonly PartRecord[], volumes: readonly VolumeRecord[]): PartRecord[] {
  if (asked === undefined) return [...parts];
  return parts.map(record =>
    record.part === 'volumeSnapshots' || record.part === 'volumeData' ? volumePart(record.part, volumes) : record,
  );
}

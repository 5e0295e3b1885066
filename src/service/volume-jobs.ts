import type { Work as AskedWork, Caller } from '../api/service.ts';
import { aroundClaim, type ClaimRequest } from '../domain/claim-request.ts';
import { asHoldfastError } from '../domain/errors.ts';
import type { HeldIdentity } from '../domain/identity.ts';
import type { Actor, OperationRequest } from '../domain/operation.ts';
import type { Progress } from '../domain/runtime.ts';
import type { VolumeOutcome } from '../domain/volume-restore.ts';
import type { UpkeepOutcome } from '../domain/volume-upkeep.ts';
import type { Work } from '../operations/job.ts';
import { recordOf, restoreClaim } from '../restore/volumes/restore-claim.ts';
import { findOrphans, orphanAgeMs } from '../volumes/orphans.ts';
import { runUpkeep } from '../volumes/upkeep.ts';
import { upkeepBefore } from './done-before.ts';
import { describeIdentity, identityFromRecord, jobWith, withIdentities } from './identities.ts';
import type { Prepared } from './job.ts';
import { findSetFor, openContents, told } from './restore-jobs.ts';
import { recordEnd } from './told-ends.ts';
import { whileUsed } from './while-used.ts';
import { currentTerm, record, recordFirst, volumesIn, type World } from './world.ts';

/** One claim. The set and the identity are looked at before the job is accepted. BACKUP_, VOLUME_ and IDENTITY_ codes, KEY_INVALID. */
export async function volumeRestoreJob(
  world: World,
  asked: Extract<AskedWork, { kind: 'volume-restore' }>,
  caller: Caller,
  signal: AbortSignal,
): Promise<Prepared> {
  const { request, cluster } = asked;
  const from = describeIdentity(asked.identity);
  const { set, notices } = await findSetFor(world, { set: asked.set, cluster, selection: aroundClaim(request.from) }, caller, signal);
  return jobWith(world, asked.identity, signal, async identities => {
    recordOf(await openContents(world, set, identities, signal), request.from);
    return {
      submission: {
        ...{ kind: 'restore', subject: set, actor: caller.actor, lane: 'restore' },
        parameters: { set, volume: request, ...(from !== undefined && { identity: from }) },
        ...(caller.namespaces !== undefined && { namespaces: caller.namespaces }),
      },
      work: told(notices, volumeRestoreWork(world, { set, request }, identities)),
    };
  });
}

/** Takes an interrupted restore of a claim up again, where its identity can be had a second time. */
export function resumeVolumeRestore(world: World, { kind, parameters }: OperationRequest): { work: Work; lane: string } | undefined {
  const { set, volume, identity } = parameters as { set: string; volume?: ClaimRequest; identity?: unknown };
  const source = identityFromRecord(identity);
  if (kind !== 'restore' || volume === undefined || (identity !== undefined && source === undefined)) return undefined;
  const work: Work = context =>
    withIdentities(world, source, context.signal, identities => volumeRestoreWork(world, { set, request: volume }, identities)(context));
  return { work, lane: 'restore' };
}

function volumeRestoreWork(
  world: World,
  { set, request }: { readonly set: string; readonly request: ClaimRequest },
  identities: readonly HeldIdentity[],
): Work {
  return whileUsed(world, 'restore', set, async ({ operation, signal, progress }) => {
    const term = currentTerm(world);
    const open = volumesIn(term);
    const reader = await openContents(world, set, identities, signal);
    const fact = { actor: operation.actor, subject: set };
    const volume = { from: request.from, to: request.to ?? request.from, inPlace: request.inPlace };
    await recordFirst(world, { ...fact, action: 'restore.started', details: { operation: operation.id, volume } });
    let outcome: VolumeOutcome | undefined;
    try {
      const storageClasses = { ...open.settings.storageClasses, ...request.storageClasses };
      outcome = await restoreClaim({
        ...{ reader, cluster: term.cluster, runtime: world.runtime, signal, progress },
        ...{ request: { ...request, storageClasses }, tools: { ...open, identities } },
      });
      return { phase: 'Completed', summary: { set, volume: outcome } };
    } finally {
      const phase = outcome === undefined ? 'Failed' : 'Completed';
      await recordEnd(world, { ...fact, action: 'restore.ended', details: { operation: operation.id, volume, phase } });
    }
  });
}

/** After retention; undefined where there are no volumes. What keeps all of it from being done is told, and fails nothing. */
export async function keepVolumesUp(
  world: World,
  { actor, signal, progress }: { readonly actor: Actor; readonly signal: AbortSignal; readonly progress: Progress },
): Promise<UpkeepOutcome | undefined> {
  const term = currentTerm(world);
  const { repository } = term;
  try {
    for await (const _ of repository.store.listNames('volumes/', { signal })) {
      const open = volumesIn(term);
      const { trusted } = world.keys;
      const before = await upkeepBefore(world, signal);
      const outcome = await runUpkeep({ ...open, repository, trusted, identities: [], before, runtime: world.runtime, signal, progress });
      if (outcome.items.length > 0) {
        const { items, repositories } = outcome;
        await record(world, { action: 'volumes.upkeep', actor, subject: 'volumes', details: { repositories, items: items.slice(0, 200) } });
      }
      return outcome;
    }
    return undefined;
  } catch (thrown) {
    signal.throwIfAborted();
    return { items: [], repositories: 0, notices: [`volumes could not be kept up: ${asHoldfastError(thrown).message}`] };
  }
}

/** What is older than a day and nobody needs any more is reported, and left to somebody who has looked at it. */
export async function reportOrphans(world: World, signal: AbortSignal): Promise<readonly string[]> {
  const { volumes, repository } = currentTerm(world);
  if (volumes === undefined) return [];
  try {
    const { trusted } = world.keys;
    const { orphans } = await findOrphans({ ...volumes, repository, trusted, now: world.runtime.now(), olderThanMs: orphanAgeMs, signal });
    world.volumeMetrics?.orphansFound(orphans.length);
    if (orphans.length === 0) return [];
    return [`volumes have left over ${orphans.length} objects that nobody needs any more: see holdfast volumes orphans`];
  } catch (thrown) {
    signal.throwIfAborted();
    return [`what volumes have left over could not be looked for: ${asHoldfastError(thrown).message}`];
  }
}

import type { Manifest } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import { isDamage } from './damage.ts';
import { operationKey } from './operation-records.ts';
import { readBytes } from './read-bytes.ts';
import { maxManifestBytes } from './read-manifest.ts';
import type { Repository } from './repository.ts';
import { type ClaimOptions, checkFiles, claimOne, decodeClaim, makeVisible } from './run-claim.ts';
import { digestLine, joinLines } from './signed-lines.ts';

/** `operations/<operation id>/commit.json`: whether a backup on demand has a set, said once and for good. */
export function demandKey(operation: string): string {
  return operationKey(operation, 'commit.json');
}

/**
 * Commits a set that somebody asked for, unless its operation was given up meanwhile: BACKUP_SUPERSEDED. All its other files must be durable; may
 * be called again after any error.
 */
export async function commitDemanded(
  repository: Repository,
  operation: string,
  manifest: Manifest,
  bytes: Uint8Array,
  options: ClaimOptions,
): Promise<Manifest> {
  if (!(await claimOne(repository, demandKey(operation), bytes, options))) {
    throw new HoldfastError('BACKUP_SUPERSEDED', `${manifest.id} was not committed: operation ${operation} was given up meanwhile`, {
      hint: 'ask for the backup again; what this one wrote is removed by retention',
    });
  }
  return makeVisible(repository, { manifest, bytes }, [], options);
}

/**
 * From now on the operation has no set any more, whoever goes on with it; resolves with the manifest of its set where it was committed before,
 * made visible if it was not. May be called again after any error.
 */
export async function giveUpDemand(repository: Repository, operation: string, options: ClaimOptions): Promise<Manifest | undefined> {
  const key = demandKey(operation);
  const line = JSON.stringify({ formatVersion: 1, operation, set: null });
  if (await claimOne(repository, key, joinLines(line, digestLine(Buffer.from(line))), options)) return undefined;
  const bytes = await readBytes(repository.store, key, maxManifestBytes, options);
  try {
    if (bytes === undefined) throw new HoldfastError('BACKUP_CORRUPT', `${key} is gone`);
    const claim = decodeClaim(repository.info, key, bytes, options);
    await checkFiles(repository, key, claim.manifest, options);
    return await makeVisible(repository, claim, [], options);
  } catch (thrown) {
    // Nobody can commit by such a record: its bytes are those of no manifest.
    if (isDamage(thrown)) return undefined;
    throw thrown;
  }
}

import { sha256Hex } from '../crypto/digest.ts';
import type { Manifest } from '../domain/backup-set.ts';
import { claimName, type VolumeDataRecord } from '../domain/volume.ts';
import { eachConcurrently } from './concurrency.ts';
import type { Findings } from './findings.ts';
import { volumePasswordKey } from './layout.ts';
import { type CallOptions, readBytes } from './read-bytes.ts';
import type { Repository } from './repository.ts';

const concurrency = 8;
/** restic’s file of a snapshot names its paths, its tags and one tree. */
const longestSnapshot = 1024 * 1024;
const longestPassword = 64 * 1024;

/**
 * Is what a set names of volumes in their restic repositories: the snapshot, whole (restic names files by their SHA-256), and the password that
 * opens it? The packs themselves are read by upkeep, a part at a time. Returns how many claims were looked at; what is wrong is a finding.
 */
export async function verifyVolumes(
  repository: Repository,
  { volumes }: Pick<Manifest, 'volumes'>,
  { signal, findings }: CallOptions & { readonly findings: Findings },
): Promise<number> {
  const { store, info } = repository;
  const sealed = info.recipientFingerprints.length > 0;
  const check = async (claim: string, { repository: key, snapshot }: VolumeDataRecord): Promise<void> => {
    const file = `${key}snapshots/${snapshot}`;
    const bytes = await readBytes(store, file, longestSnapshot, { signal });
    if (bytes === undefined) findings.error('VOLUME_DATA_MISSING', file, `missing: the data of ${claim} is not there any more`);
    else if (sha256Hex(bytes) !== snapshot) findings.error('BACKUP_CORRUPT', file, 'does not have the digest that is its name');
    const password = volumePasswordKey(key, sealed);
    const found = (await readBytes(store, password, longestPassword, { signal }))?.length ?? 0;
    if (found === 0) findings.error('VOLUME_DATA_MISSING', password, `missing or empty: nothing else opens the data of ${claim}`);
  };
  const moved = volumes.flatMap(record => (record.data === undefined ? [] : [{ claim: claimName(record), data: record.data }]));
  await eachConcurrently(moved, concurrency, ({ claim, data }) => check(claim, data));
  return moved.length;
}

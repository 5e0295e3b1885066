import { hmacSha256Hex, sha256Hex } from '../crypto/digest.ts';
import type { ShardRecord } from '../domain/backup-set.ts';
import { HoldfastError } from '../domain/errors.ts';
import { digestKeyPath } from './layout.ts';

/** Computes digests as the index has them: for Secrets under the key that lies, sealed, at the beginning of their shard. */
export interface ObjectDigests {
  /** Is this entry the key, and no object? */
  takeKey(path: string, content: Uint8Array): boolean;
  /** BACKUP_CORRUPT when the shard of secrets did not begin with its key. */
  of(json: Uint8Array): string;
}

export function objectDigests(record: ShardRecord): ObjectDigests {
  if (record.class === 'resources') return { takeKey: () => false, of: json => `sha256:${sha256Hex(json)}` };
  let key: Buffer | undefined;
  return {
    takeKey: (path, content) => {
      if (path !== digestKeyPath) return false;
      const hex = Buffer.from(content).toString('latin1');
      if (!/^[0-9a-f]{64}$/.test(hex)) throw new HoldfastError('BACKUP_CORRUPT', `${record.name} has a malformed digest key`);
      key = Buffer.from(hex, 'hex');
      return true;
    },
    of: json => {
      if (key === undefined) throw new HoldfastError('BACKUP_CORRUPT', `${record.name} does not begin with its digest key`);
      return `hmac-sha256:${hmacSha256Hex(key, json)}`;
    },
  };
}

import { type HoldfastError, isCode } from '../domain/errors.ts';

/** Is it what is wrong with a file of the repository, which was altered, cut off or written by a newer version, and not with the store? */
export function isDamage(thrown: unknown): thrown is HoldfastError {
  return isCode(thrown, 'BACKUP_CORRUPT', 'SIGNATURE_INVALID', 'REPO_UNSUPPORTED');
}

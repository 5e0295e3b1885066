import { recipientFingerprint } from '../crypto/age.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { RepositoryInfo } from './repository.ts';

/** Every set of a repository is sealed to the recipients that it was made with. CONFIG_INVALID for others, RECIPIENT_MISSING for none. */
export function requireOwnRecipients({ recipientFingerprints: wanted }: RepositoryInfo, recipients: readonly string[]): void {
  const given = recipients.map(recipientFingerprint);
  if (given.length === 0 && wanted.length > 0) {
    throw new HoldfastError('RECIPIENT_MISSING', 'no recipient is configured: the backup could not be encrypted, so it was not started');
  }
  const strange = given.filter(fingerprint => !wanted.includes(fingerprint));
  const missing = wanted.filter(fingerprint => !given.includes(fingerprint));
  if (strange.length + missing.length > 0) {
    throw new HoldfastError('CONFIG_INVALID', `the recipients given are not the repository’s: ${describeDifference(strange, missing)}`, {
      hint: 'pass the recipients the repository was created with, or create a new repository for new recipients',
    });
  }
}

function describeDifference(strange: readonly string[], missing: readonly string[]): string {
  const parts = [strange.length > 0 ? `unknown ${strange.join(', ')}` : '', missing.length > 0 ? `missing ${missing.join(', ')}` : ''];
  return parts.filter(part => part !== '').join('; ');
}

import { join } from 'node:path';
import { HoldfastError } from '../domain/errors.ts';
import type { Settings } from './schema.ts';

/** Names of what `holdfast keys generate` writes. An identity is never looked for: opening a backup is a decision of its own. */
export const keyFiles = {
  operatorIdentity: 'operator.identity',
  breakGlassIdentity: 'break-glass.identity',
  recipients: 'recipients.txt',
  signingKey: 'signing.key',
  signingPublicKey: 'signing.pub',
} as const;

/** Who backups are sealed to: written out in the settings, in a file, or both; with neither, those of the keys folder. */
export interface RecipientSources {
  readonly listed: readonly string[];
  readonly file: string | undefined;
}

/** CONFIG_INVALID when plaintext was asked for and recipients were named too: one of them is a mistake. */
export function recipientSources(settings: Settings): RecipientSources {
  const { recipients = [], recipientsFile, keysDir, insecurePlaintext } = settings;
  const named = recipients.length > 0 || recipientsFile !== undefined;
  if (insecurePlaintext === true && named) {
    throw new HoldfastError('CONFIG_INVALID', 'insecurePlaintext is on, but recipients are set', {
      hint: 'leave --insecure-plaintext away to seal backups to the recipients',
    });
  }
  if (insecurePlaintext === true) return { listed: [], file: undefined };
  return { listed: recipients, file: recipientsFile ?? (named ? undefined : inKeysDir(keysDir, keyFiles.recipients)) };
}

/** Path of the private key that signs manifests. */
export function signingKeyPath({ signingKey, keysDir }: Settings): string | undefined {
  return signingKey ?? inKeysDir(keysDir, keyFiles.signingKey);
}

/** Path of the public key that manifests must be signed with. */
export function signingPublicKeyPath({ signingPublicKey, keysDir }: Settings): string | undefined {
  return signingPublicKey ?? inKeysDir(keysDir, keyFiles.signingPublicKey);
}

function inKeysDir(keysDir: string | undefined, name: string): string | undefined {
  return keysDir === undefined ? undefined : join(keysDir, name);
}

import { existsSync } from 'node:fs';
import { recipientSources, signingKeyPath, signingPublicKeyPath } from '../config/keys.ts';
import type { Settings } from '../config/schema.ts';
import { HoldfastError } from '../domain/errors.ts';
import { once } from './adapters.ts';

/** The configured keys, each read from its file when first asked for. */
export interface Keys {
  /** Is a signing key configured, or does one lie in the keys folder? */
  canSign(): boolean;
  recipients(): Promise<string[]>;
  signingKey(): Promise<string>;
  /** The public half of the key that signs here. */
  ownPublicKey(): Promise<string>;
  /** Keys that manifests must be signed with; none when none is configured. */
  trusted(): Promise<string[]>;
  /** None when no identity is configured. */
  identities(): Promise<string[]>;
}

/** Opens nothing by itself. */
export function openKeys(settings: Settings, onWarning: (text: string) => void): Keys {
  const files = () => import('../crypto/keys.ts');
  const told = <T>({ value, warnings }: { readonly value: T; readonly warnings: readonly string[] }): T => {
    for (const warning of warnings) onWarning(warning);
    return value;
  };
  const signingKey = once(async () => {
    const path = signingKeyPath(settings);
    if (path === undefined) throw new HoldfastError('SIGNING_KEY_MISSING', 'no signing key is configured');
    return told(await (await files()).readSigningKeyFile(path));
  });
  return {
    canSign: () => settings.signingKey !== undefined || existsSync(signingKeyPath(settings) ?? ''),
    signingKey,
    recipients: async () => {
      const { listed, file } = recipientSources(settings);
      const { parseRecipients } = await import('../crypto/age.ts');
      const fromFile = file === undefined ? [] : await (await files()).readRecipientFile(file);
      return parseRecipients([...listed, ...fromFile].join('\n'));
    },
    ownPublicKey: async () => {
      const path = signingPublicKeyPath(settings);
      if (path !== undefined) return (await (await files()).readPublicKeyFile(path))[0];
      const { publicKeyOf } = await import('../crypto/signing.ts');
      return publicKeyOf(await signingKey());
    },
    trusted: once(async () => {
      const path = signingPublicKeyPath(settings);
      return path === undefined ? [] : (await files()).readPublicKeyFile(path);
    }),
    identities: once(async () => (settings.identity === undefined ? [] : told(await (await files()).readIdentityFile(settings.identity)))),
  };
}

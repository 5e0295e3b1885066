import { expect, it } from 'vitest';
import { recipientSources, signingKeyPath, signingPublicKeyPath } from './keys.ts';

it('takes everything public, and the signing key, from the keys folder', () => {
  const settings = { keysDir: '/keys' };
  expect(recipientSources(settings)).toEqual({ listed: [], file: '/keys/recipients.txt' });
  expect(signingKeyPath(settings)).toBe('/keys/signing.key');
  expect(signingPublicKeyPath(settings)).toBe('/keys/signing.pub');
});

it('prefers what is named to what lies in the keys folder', () => {
  expect(recipientSources({ keysDir: '/keys', recipients: ['age1a'] })).toEqual({ listed: ['age1a'], file: undefined });
  expect(recipientSources({ keysDir: '/keys', recipientsFile: '/r.txt' })).toEqual({ listed: [], file: '/r.txt' });
  expect(signingKeyPath({ keysDir: '/keys', signingKey: '/s.key' })).toBe('/s.key');
});

it('has no recipients for a plaintext backup, and refuses to be told both', () => {
  expect(recipientSources({ keysDir: '/keys', insecurePlaintext: true })).toEqual({ listed: [], file: undefined });
  expect(() => recipientSources({ recipients: ['age1a'], insecurePlaintext: true })).toThrow(
    'insecurePlaintext is on, but recipients are set',
  );
});

import type { webcrypto } from 'node:crypto';

/** What opens sealed files: the text of an age identity, or one that is held only for as long as it is needed. */
export type Identity = string | HeldIdentity;

/** An age identity that can be taken out of memory. */
export interface HeldIdentity {
  /** Undefined once it was let go. Text where that is all that is known of its kind. */
  readonly key: webcrypto.CryptoKey | string | undefined;
  /** Gives up the one reference to the key; with the next collection of garbage its memory is overwritten. May be called twice. */
  letGo(): void;
}

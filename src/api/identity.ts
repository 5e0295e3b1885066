/**
 * The age identity that opens a sealed set, as a request gives it. `bytes` is the text of an identity file in UTF-8; whoever has taken it over
 * fills it with zeros as soon as it is not needed any more, and neither logs nor stores it.
 */
export type IdentitySource =
  | { readonly from: 'value'; readonly bytes: Uint8Array }
  /** A key of a Secret in the cluster that the service runs for. */
  | { readonly from: 'secret'; readonly namespace: string; readonly name: string; readonly key: string }
  /** The name of a file in the folder that the service’s configuration names for identities. Never a path. */
  | { readonly from: 'file'; readonly file: string };

/** Takes the identity out of memory, as far as it is held here. May be called twice. */
export function wipe(identity: IdentitySource | undefined): void {
  if (identity?.from === 'value') identity.bytes.fill(0);
}

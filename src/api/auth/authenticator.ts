/** Somebody whose token was verified. */
export interface Principal {
  /** `system:serviceaccount:ops:ci`, `alice@example.org`. */
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  /** What a TokenReview says besides; a SubjectAccessReview wants it back. */
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** `rejected`: the token is this verifier’s business and is not valid; the text says why, without quoting it. */
export type Verdict = { readonly principal: Principal } | { readonly rejected: string };

export interface Authenticator {
  /** Undefined where the token is none of its kind. AUTHENTICATOR_UNAVAILABLE where it cannot be verified now. */
  authenticate(token: string, signal: AbortSignal): Promise<Verdict | undefined>;
}

/** Asks each in turn; the first that knows the token’s kind decides. */
export function firstOf(authenticators: readonly Authenticator[]): Authenticator {
  return {
    authenticate: async (token, signal) => {
      for (const authenticator of authenticators) {
        const verdict = await authenticator.authenticate(token, signal);
        if (verdict !== undefined) return verdict;
      }
      return undefined;
    },
  };
}

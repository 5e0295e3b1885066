/** What a pod needs to work in one prefix of a location with restic, and in no other. */
export interface RepositoryAccess {
  /** As `restic -r` takes it. */
  readonly url: string;
  /** `-o` options. */
  readonly options: readonly string[];
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** PEM of authorities that the system does not know. */
  readonly ca?: string;
}

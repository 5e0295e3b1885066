import { requestErrors } from './request-errors.ts';
import { volumeErrors } from './volume-errors.ts';

/** Process exit codes; scripts may rely on them. Any other non-zero code is a failure too. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  partial: 3,
  verification: 4,
  timeout: 5,
  notFound: 10,
  wrongKey: 12,
  interrupted: 130,
} as const;

export interface ErrorKind {
  /** HTTP status where the error leaves through the API. The service’s own trouble with a cluster or a store is 502 or 503, never 401 or 403. */
  readonly status: number;
  readonly exit: number;
  /** Would the same call, made again a little later, have a chance? */
  readonly retryable: boolean;
  /** What the reader does next. */
  readonly hint: string;
}

/** Every error that Holdfast can end with. One row, one meaning; the message of an occurrence says which object and why. */
export const errorTable = {
  USAGE: { status: 400, exit: exitCodes.usage, retryable: false, hint: 'see the command’s --help' },
  CONFIG_INVALID: { status: 400, exit: exitCodes.usage, retryable: false, hint: 'correct the named setting and run again' },
  KUBECONFIG_INVALID: {
    status: 400,
    exit: exitCodes.usage,
    retryable: false,
    hint: 'name a readable kubeconfig with --kubeconfig or KUBECONFIG, and an existing context with --context',
  },
  CLUSTER_UNREACHABLE: {
    status: 503,
    exit: exitCodes.failed,
    retryable: true,
    hint: 'check that the API server runs and that the address and certificate in the kubeconfig are right (kubectl version)',
  },
  CLUSTER_UNAUTHORIZED: { status: 502, exit: exitCodes.failed, retryable: false, hint: 'renew the credentials in the kubeconfig' },
  CLUSTER_FORBIDDEN: {
    status: 502,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'grant the missing verb to the account in use (kubectl auth can-i --list)',
  },
  CLUSTER_CONFLICT: { status: 409, exit: exitCodes.failed, retryable: true, hint: 'the object changed meanwhile; run the command again' },
  CLUSTER_NOT_FOUND: {
    status: 404,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'the object or its kind does not exist on this cluster',
  },
  CLUSTER_REJECTED: {
    status: 422,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'the API server, a quota or an admission webhook refused the object; its own words are in the message',
  },
  CLUSTER_EXPIRED: { status: 410, exit: exitCodes.failed, retryable: true, hint: 'the revision was compacted; run the command again' },
  CLUSTER_THROTTLED: {
    status: 429,
    exit: exitCodes.failed,
    retryable: true,
    hint: 'the API server is overloaded; lower --concurrency or try again later',
  },
  CLUSTER_ERROR: { status: 502, exit: exitCodes.failed, retryable: true, hint: 'look at the API server’s log for the named request' },
  DISCOVERY_INCOMPLETE: {
    status: 502,
    exit: exitCodes.partial,
    retryable: true,
    hint: 'an API group did not answer: repair or remove its APIService (kubectl get apiservices), then back up again',
  },
  STORE_UNREACHABLE: {
    status: 503,
    exit: exitCodes.failed,
    retryable: true,
    hint: 'check the endpoint of the location and the network to it',
  },
  STORE_FORBIDDEN: {
    status: 502,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'check the credentials of the location and their right to list, read and write below its prefix',
  },
  STORE_BUCKET_MISSING: { status: 404, exit: exitCodes.notFound, retryable: false, hint: 'create the bucket, or correct the location' },
  STORE_NOT_FOUND: {
    status: 404,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'the object was deleted or never written; run holdfast verify',
  },
  STORE_EXISTS: { status: 409, exit: exitCodes.failed, retryable: false, hint: 'a repository is write-once; nothing was overwritten' },
  STORE_OVERWRITES: {
    status: 502,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'choose a location whose server honours conditional writes, as AWS S3 and MinIO do, or update the server',
  },
  STORE_FULL: {
    status: 507,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'free space at the location; what was committed before is untouched',
  },
  STORE_ERROR: { status: 502, exit: exitCodes.failed, retryable: true, hint: 'look at the store’s log for the named key' },
  REPO_NOT_FOUND: { status: 404, exit: exitCodes.notFound, retryable: false, hint: 'create it with holdfast init, or correct --location' },
  REPO_EXISTS: {
    status: 409,
    exit: exitCodes.usage,
    retryable: false,
    hint: 'use it as it is, or choose another prefix or folder',
  },
  REPO_UNSUPPORTED: {
    status: 409,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'use the version of Holdfast that wrote it, or a newer one',
  },
  BACKUP_NOT_FOUND: { status: 404, exit: exitCodes.notFound, retryable: false, hint: 'list what there is with holdfast backup get' },
  BACKUP_AMBIGUOUS: { status: 409, exit: exitCodes.usage, retryable: false, hint: 'give the full id of one of the sets named' },
  BACKUP_HELD: {
    status: 409,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'release it first: holdfast release <backup> --reason <text>',
  },
  BACKUP_IN_USE: { status: 409, exit: exitCodes.failed, retryable: false, hint: 'wait until that has ended, and run the command again' },
  BACKUP_NEEDED: { status: 409, exit: exitCodes.failed, retryable: false, hint: 'take another complete backup first' },
  BACKUP_CORRUPT: {
    status: 422,
    exit: exitCodes.verification,
    retryable: false,
    hint: 'do not restore from it; run holdfast verify and use another set or copy',
  },
  SIGNATURE_INVALID: {
    status: 422,
    exit: exitCodes.verification,
    retryable: false,
    hint: 'the manifest was not signed by the expected key: it was altered, or --signing-public-key names another key',
  },
  RECIPIENT_MISSING: {
    status: 400,
    exit: exitCodes.usage,
    retryable: false,
    hint: 'name the folder of the keys with --keys-dir, or recipients with --recipients-file; holdfast keys generate makes both',
  },
  SIGNING_KEY_MISSING: {
    status: 400,
    exit: exitCodes.usage,
    retryable: false,
    hint: 'name the folder of the keys with --keys-dir, or the file with --signing-key or HOLDFAST_SIGNING_KEY',
  },
  IDENTITY_MISSING: {
    status: 422,
    exit: exitCodes.wrongKey,
    retryable: false,
    hint: 'pass --identity with the file that holds the age identity',
  },
  IDENTITY_WRONG: {
    status: 403,
    exit: exitCodes.wrongKey,
    retryable: false,
    hint: 'this identity is none of the backup’s recipients; holdfast backup describe names their fingerprints',
  },
  KEY_INVALID: { status: 400, exit: exitCodes.usage, retryable: false, hint: 'name a file made by holdfast keys generate (or age-keygen)' },
  BACKUP_FAILED: { status: 500, exit: exitCodes.failed, retryable: true, hint: 'nothing was committed; mend the cause and back up again' },
  BACKUP_SUPERSEDED: {
    status: 200,
    exit: exitCodes.ok,
    retryable: false,
    hint: 'nothing to do: another replica’s set stands for the same scheduled run, and what this one wrote is removed by retention',
  },
  BACKUP_PARTIAL: {
    status: 200,
    exit: exitCodes.partial,
    retryable: false,
    hint: 'holdfast backup describe names every item and its reason',
  },
  RESTORE_FAILED: {
    status: 500,
    exit: exitCodes.failed,
    retryable: true,
    hint: 'mend the cause and run the same command again: it continues where it stopped',
  },
  RESTORE_PARTIAL: { status: 200, exit: exitCodes.partial, retryable: false, hint: 'mend the named items and run the same command again' },
  VERIFY_FAILED: { status: 200, exit: exitCodes.verification, retryable: false, hint: 'do not rely on this set; use another set or copy' },
  VALIDATION_FAILED: {
    status: 200,
    exit: exitCodes.verification,
    retryable: false,
    hint: 'the failed checks name the objects that differ',
  },
  ...volumeErrors(exitCodes),
  RETENTION_BLOCKED: {
    status: 409,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'look at holdfast retention plan; if all of that is to go, run holdfast retention run --yes',
  },
  NOT_LEADER: {
    status: 503,
    exit: exitCodes.failed,
    retryable: true,
    hint: 'another replica leads now, or will soon, and goes on with the work; nothing needs a hand',
  },
  OPERATION_NOT_FOUND: {
    status: 404,
    exit: exitCodes.notFound,
    retryable: false,
    hint: 'GET /api/v1/operations lists those that there are; records are kept for 90 days unless configured otherwise',
  },
  OPERATION_ENDED: { status: 409, exit: exitCodes.failed, retryable: false, hint: 'it has ended already; look at its result' },
  IDEMPOTENCY_MISMATCH: { status: 409, exit: exitCodes.usage, retryable: false, hint: 'use another Idempotency-Key for another request' },
  // Of notifications: no request ever ends with these two.
  NOTICE_UNDELIVERED: {
    status: 200,
    exit: exitCodes.failed,
    retryable: true,
    hint: 'check that the named server answers and can be reached from here',
  },
  NOTICE_REFUSED: {
    status: 200,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'check the address and the credentials of the named notification target',
  },
  SHUTTING_DOWN: { status: 503, exit: exitCodes.failed, retryable: true, hint: 'the service is being stopped; try again in a moment' },
  TIMEOUT: { status: 504, exit: exitCodes.timeout, retryable: true, hint: 'raise --timeout, or look for what is slow' },
  INTERRUPTED: {
    status: 503,
    exit: exitCodes.interrupted,
    retryable: true,
    hint: 'nothing committed was lost; run the same command again',
  },
  INTERNAL: {
    status: 500,
    exit: exitCodes.failed,
    retryable: false,
    hint: 'this is a defect in Holdfast; please report it with the output of --verbose',
  },
  ...requestErrors(exitCodes),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorTable;

/** An error with a row in the table. `message` is lower case and says what, which object, and why. */
export class HoldfastError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'HoldfastError';
    this.code = code;
    this.hint = options.hint ?? errorTable[code].hint;
  }

  get exit(): number {
    return errorTable[this.code].exit;
  }

  get status(): number {
    return errorTable[this.code].status;
  }

  get retryable(): boolean {
    return errorTable[this.code].retryable;
  }
}

/** Any thrown value as a HoldfastError; an abort becomes INTERRUPTED, what is unknown becomes INTERNAL. */
export function asHoldfastError(thrown: unknown): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown;
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    return thrown.cause instanceof HoldfastError ? thrown.cause : new HoldfastError('INTERRUPTED', 'interrupted', { cause: thrown });
  }
  if (thrown instanceof Error && thrown.name === 'TimeoutError') return new HoldfastError('TIMEOUT', 'timed out', { cause: thrown });
  return new HoldfastError('INTERNAL', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
}

export function isCode(thrown: unknown, ...codes: ErrorCode[]): thrown is HoldfastError {
  return thrown instanceof HoldfastError && codes.includes(thrown.code);
}

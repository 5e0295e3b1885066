import * as z from 'zod';
import type { Manifest } from '../domain/backup-set.ts';
import { type ErrorCode, HoldfastError } from '../domain/errors.ts';
import type { Part } from '../domain/policy.ts';
import { setIdPattern } from '../domain/set-id.ts';
import { indexNamePattern, shardNamePattern } from './layout.ts';
import {
  decodeSigned,
  decodeSignedAside,
  encodeSigned,
  type FileSignature,
  type SignatureOptions,
  type SignedContent,
} from './signed-file.ts';
import { volumeRecordSchema } from './volume-record.ts';

const count = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const time = z.iso.datetime();
// A newer writer may know codes that this reader does not; they are shown, not acted upon.
const failure = { code: z.string().transform(code => code as ErrorCode), message: z.string() };
const strings = z.array(z.string());

export const selectionSchema = z.object({
  includeNamespaces: strings,
  excludeNamespaces: strings,
  includeKinds: strings,
  excludeKinds: strings,
  labelSelector: z.string(),
  includeNames: strings,
  clusterScoped: z.enum(['auto', 'always', 'never']),
});

const kindRecord = z.object({
  group: z.string(),
  version: z.string(),
  resource: z.string(),
  kind: z.string(),
  namespaced: z.boolean(),
  count,
  bytes: count,
  revision: z.string(),
  consistency: z.enum(['instant', 'per-kind']),
  attempt: count.exactOptional(),
  error: z.object(failure).exactOptional(),
});

/** The wire form of a manifest. Fields that it does not know are passed over, so that a version can add some. */
export const manifestSchema = z.object({
  formatVersion: z.literal(1),
  id: z.string().regex(setIdPattern),
  repository: z.string(),
  phase: z.enum(['Completed', 'PartiallyFailed']),
  tier: z.string(),
  fires: z.array(z.object({ policy: z.string(), tier: z.string(), at: time })).exactOptional(),
  parts: z
    .array(
      z.object({ part: z.string().transform(part => part as Part), state: z.enum(['protected', 'not-protected']), reason: z.string() }),
    )
    .exactOptional(),
  startedAt: time,
  finishedAt: time,
  producer: z.object({ name: z.literal('holdfast'), version: z.string() }),
  cluster: z.object({ uid: z.string(), version: z.string(), server: z.string() }),
  consistency: z.enum(['instant', 'per-kind']),
  revision: z.string().exactOptional(),
  selection: selectionSchema,
  kinds: z.array(kindRecord),
  objects: count,
  bytes: count,
  excluded: z.array(z.object({ what: z.string(), reason: z.string(), count: count.exactOptional() })),
  problems: z.array(z.object({ item: z.string(), ...failure })),
  volumes: z.array(volumeRecordSchema),
  shards: z.array(
    z.object({
      name: z.string().regex(shardNamePattern),
      class: z.enum(['resources', 'secrets']),
      bytes: count,
      tarBytes: count,
      entries: count,
      sha256,
    }),
  ),
  index: z.array(z.object({ name: z.string().regex(indexNamePattern), bytes: count, lines: count, sha256 })),
  encryption: z.object({ scheme: z.enum(['age', 'none']), recipients: strings, indexSealed: z.boolean() }),
}) satisfies z.ZodType<Manifest, unknown>;

export type ManifestSignature = FileSignature;

export interface SignedManifest {
  readonly manifest: Manifest;
  readonly signature: ManifestSignature;
}

/** In messages. */
const what = 'the manifest';

/** The bytes of `manifest.json`. KEY_INVALID when the key is no Ed25519 private key (PEM). */
export function encodeManifest(manifest: Manifest, signingPrivatePem: string): Uint8Array {
  return encodeSigned(manifest, signingPrivatePem);
}

export type DecodeOptions = SignatureOptions;

/**
 * Reads `manifest.json`. SIGNATURE_INVALID when no trusted key, if any are given, or the known key that it names did not sign these bytes;
 * REPO_UNSUPPORTED for another format version; BACKUP_CORRUPT for anything malformed.
 */
export function decodeManifest(bytes: Uint8Array, options: DecodeOptions = {}): SignedManifest {
  return manifestIn(decodeSigned(bytes, what, options));
}

/** Like `decodeManifest`, with the signature checked on another thread. */
export async function decodeManifestAside(bytes: Uint8Array, options: DecodeOptions = {}): Promise<SignedManifest> {
  return manifestIn(await decodeSignedAside(bytes, what, options));
}

function manifestIn({ value, signature }: SignedContent): SignedManifest {
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) throw new HoldfastError('BACKUP_CORRUPT', `${what} is malformed: ${firstIssue(parsed.error)}`);
  return { manifest: parsed.data, signature };
}

export function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? 'unknown' : `${issue.path.join('.')}: ${issue.message}`;
}

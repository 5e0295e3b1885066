import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type IdentitySource, wipe } from '../api/identity.ts';
import { holdIdentities } from '../crypto/held-identity.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { HeldIdentity } from '../domain/identity.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { Prepared } from './job.ts';
import type { World } from './world.ts';

const mostFileBytes = 1024 * 1024;

const secrets: ResourceKind = {
  group: '',
  version: 'v1',
  resource: 'secrets',
  kind: 'Secret',
  namespaced: true,
  verbs: ['get'],
  subresources: [],
};

/** Where an identity comes from, as a record may show it: never the identity. */
export function describeIdentity(source: IdentitySource | undefined): Record<string, string> | undefined {
  if (source === undefined) return undefined;
  if (source.from === 'value') return { from: 'value' };
  return { ...source };
}

/** From a record, where it can be had a second time. */
export function identityFromRecord(recorded: unknown): IdentitySource | undefined {
  const { from, namespace, name, key, file } = (recorded ?? {}) as Record<string, string | undefined>;
  if (from === 'secret' && namespace !== undefined && name !== undefined && key !== undefined) return { from, namespace, name, key };
  return from === 'file' && file !== undefined ? { from, file } : undefined;
}

/** What looks for identities, and forgets them. */
export type IdentityWorld = Pick<World, 'cluster' | 'identityDir' | 'forget'>;

/** The age identities of a source, to be let go; wipes what the source held. None without a source. IDENTITY_MISSING, KEY_INVALID, CLUSTER_ codes. */
export async function openIdentities(
  world: IdentityWorld,
  source: IdentitySource | undefined,
  signal: AbortSignal,
): Promise<readonly HeldIdentity[]> {
  if (source === undefined) return [];
  const bytes = await bytesOf(world, source, signal);
  try {
    return holdIdentities(bytes, nameOf(source));
  } finally {
    bytes.fill(0);
    wipe(source);
  }
}

/** Takes identities out of memory. May be called twice. */
export function letGo(world: Pick<World, 'forget'>, identities: readonly HeldIdentity[]): void {
  if (identities.every(({ key }) => key === undefined)) return;
  for (const identity of identities) identity.letGo();
  world.forget?.();
}

/** For work that ends here: the source stays the caller’s, and the identities are let go. */
export async function withIdentities<T>(
  world: IdentityWorld,
  source: IdentitySource | undefined,
  signal: AbortSignal,
  work: (identities: readonly HeldIdentity[]) => Promise<T>,
): Promise<T> {
  const identities = await openIdentities(world, copyOf(source), signal);
  try {
    return await work(identities);
  } finally {
    letGo(world, identities);
  }
}

/** Reading wipes what it read from. */
function copyOf(source: IdentitySource | undefined): IdentitySource | undefined {
  return source?.from === 'value' ? { from: 'value', bytes: Uint8Array.from(source.bytes) } : source;
}

/** For a job: the identities are let go when it has ended, or cannot be made. */
export async function jobWith(
  world: IdentityWorld,
  source: IdentitySource | undefined,
  signal: AbortSignal,
  prepare: (identities: readonly HeldIdentity[]) => Promise<Prepared>,
): Promise<Prepared> {
  const identities = await openIdentities(world, source, signal);
  try {
    return { ...(await prepare(identities)), release: () => letGo(world, identities) };
  } catch (thrown) {
    letGo(world, identities);
    throw thrown;
  }
}

function nameOf(source: IdentitySource): string {
  if (source.from === 'value') return 'the identity of the request';
  return source.from === 'file' ? `identity file ${source.file}` : `secrets ${source.namespace}/${source.name}, key ${source.key}`;
}

async function bytesOf(world: IdentityWorld, source: IdentitySource, signal: AbortSignal): Promise<Uint8Array> {
  if (source.from === 'value') return source.bytes;
  if (source.from === 'file') return fileBytes(world.identityDir, source.file);
  const { namespace, name, key } = source;
  const json = await world.cluster.get(secrets, namespace, name, { signal });
  const text = json === undefined ? undefined : (JSON.parse(json) as { data?: Record<string, string> }).data?.[key];
  if (text === undefined) {
    const what = json === undefined ? 'there is no such Secret' : 'it has no such key';
    throw new HoldfastError('IDENTITY_MISSING', `${nameOf(source)}: ${what}`, {
      hint: 'name a Secret that the service may read, and the key in it that holds the age identity',
    });
  }
  return Buffer.from(text, 'base64');
}

async function fileBytes(folder: string | undefined, file: string): Promise<Uint8Array> {
  if (folder === undefined || !/^[\w][\w.-]*$/.test(file)) {
    const why = folder === undefined ? 'the service has no folder of identities' : 'it is not the name of a file';
    throw new HoldfastError('IDENTITY_MISSING', `identity file ${JSON.stringify(file)}: ${why}`, {
      hint: 'set service.identityDir, and name a file in it; or send the identity, or name a Secret',
    });
  }
  return wholeFile(join(folder, file)).catch((thrown: NodeJS.ErrnoException) => {
    throw new HoldfastError('IDENTITY_MISSING', `identity file ${file}: ${thrown.code === 'ENOENT' ? 'there is none' : thrown.code}`, {
      cause: thrown,
      hint: 'name a file that the service has in its service.identityDir, and may read',
    });
  });
}

/** Into memory that is the caller’s alone, and is overwritten as one: what reads in pieces leaves them behind. */
async function wholeFile(path: string): Promise<Uint8Array> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    if (size > mostFileBytes) throw Object.assign(new Error(), { code: 'EFBIG' });
    const bytes = Buffer.from(new ArrayBuffer(size));
    const { bytesRead } = await handle.read(bytes, 0, size, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

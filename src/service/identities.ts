import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type IdentitySource, wipe } from '../api/identity.ts';
import { parseIdentities } from '../crypto/age.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { ResourceKind } from '../domain/resource.ts';
import type { World } from './world.ts';

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

/** The age identities of a source; wipes what the source held. None without a source. IDENTITY_MISSING, KEY_INVALID, CLUSTER_ codes. */
export async function openIdentities(
  world: Pick<World, 'cluster' | 'identityDir'>,
  source: IdentitySource | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  if (source === undefined) return [];
  const bytes = await bytesOf(world, source, signal);
  try {
    return parseIdentities(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'), nameOf(source));
  } finally {
    bytes.fill(0);
    wipe(source);
  }
}

function nameOf(source: IdentitySource): string {
  if (source.from === 'value') return 'the identity of the request';
  return source.from === 'file' ? `identity file ${source.file}` : `secrets ${source.namespace}/${source.name}, key ${source.key}`;
}

async function bytesOf(world: Pick<World, 'cluster' | 'identityDir'>, source: IdentitySource, signal: AbortSignal): Promise<Uint8Array> {
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
  return readFile(join(folder, file)).catch((thrown: NodeJS.ErrnoException) => {
    throw new HoldfastError('IDENTITY_MISSING', `identity file ${file}: ${thrown.code === 'ENOENT' ? 'there is none' : thrown.code}`, {
      cause: thrown,
    });
  });
}

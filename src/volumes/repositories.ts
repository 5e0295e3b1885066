import { open, seal } from '../crypto/age.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Identity } from '../domain/identity.ts';
import { type JsonObject, stringAt } from '../domain/json.ts';
import type { Runtime } from '../domain/runtime.ts';
import { volumeNames } from '../domain/volume.ts';
import { claimOfVolumeKey, volumeKey, volumePasswordKey } from '../repository/layout.ts';
import { readBytes } from '../repository/read-bytes.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { secrets } from './kinds.ts';
import { claimAnnotations, claimDigest, type Subject, shortDigest } from './labels.ts';
import type { Objects } from './objects.ts';
import type { VolumeRepositories, VolumeRepository } from './ports.ts';

export interface RepositoriesOptions {
  readonly objects: Objects;
  readonly store: ObjectStore;
  /** Of the location, which has passwords of its own: another one may be sealed to others. */
  readonly repositoryId: string;
  /** Of the location. None leaves passwords in the clear, as everything else in it. */
  readonly recipients: readonly string[];
  /** The service's own: where the Secrets lie. */
  readonly namespace: string;
  readonly runtime: Pick<Runtime, 'random'>;
}

const longestPassword = 64 * 1024;
/** So many repositories of one claim with the same four random digits mean that something else is wrong. */
const mostTries = 8;

/**
 * The password is sealed into the location before the Secret is made, and the Secret before anything is written with it: whoever finds the
 * Secret, whichever replica made it, may rely on the sealed one. It is put again where it was lost. What loses the race for the Secret, or was
 * killed in between, leaves a sealed password that belongs to nothing.
 */
export function createVolumeRepositories(options: RepositoriesOptions): VolumeRepositories {
  const { objects, store, repositoryId, recipients, namespace, runtime } = options;
  const sealed = recipients.length > 0;
  const nameFor = (claim: Subject) => secretName(repositoryId, claim);
  const bytesOf = async (password: string): Promise<Uint8Array> => {
    const plain = Buffer.from(`${password}\n`);
    return sealed ? await seal(recipients, plain) : plain;
  };

  async function known(claim: Subject, signal: AbortSignal): Promise<VolumeRepository | undefined> {
    const secret = await objects.read(secrets, namespace, nameFor(claim), signal);
    return secret === undefined ? undefined : repositoryOf(secret, namespace);
  }

  /** Seals a password where none lies yet, and says where that was. */
  async function place(claim: Subject, password: string, signal: AbortSignal): Promise<string> {
    const bytes = await bytesOf(password);
    for (let tries = 0; ; tries += 1) {
      const key = volumeKey(claim, tries === 0 ? '' : hex(runtime.random(2)));
      try {
        await store.put(volumePasswordKey(key, sealed), bytes, { signal });
        return key;
      } catch (thrown) {
        if (!isCode(thrown, 'STORE_EXISTS') || tries === mostTries) throw thrown;
      }
    }
  }

  /** Puts back what was lost of the location, where the Secret still has it; what lies there stays as it is. */
  async function putBack({ key, password }: VolumeRepository, signal: AbortSignal): Promise<void> {
    const name = volumePasswordKey(key, sealed);
    if ((await store.head(name, { signal })) !== undefined) return;
    try {
      await store.put(name, await bytesOf(password), { signal });
    } catch (thrown) {
      if (!isCode(thrown, 'STORE_EXISTS')) throw thrown;
    }
  }

  return {
    forBackup: async (claim, signal) => {
      const there = await known(claim, signal);
      if (there !== undefined) {
        await putBack(there, signal);
        return there;
      }
      const password = hex(runtime.random(32));
      const key = await place(claim, password, signal);
      try {
        await objects.create(secrets, secretOf(nameFor(claim), claim, namespace, { key, password }), signal);
        return { key, password };
      } catch (thrown) {
        const others = isCode(thrown, 'CLUSTER_CONFLICT') ? await known(claim, signal) : undefined;
        if (others === undefined) throw thrown;
        return others;
      }
    },
    open: async (key, { identities, signal }) => {
      const claim = claimOfVolumeKey(key);
      if (claim === undefined) throw new HoldfastError('STORE_NOT_FOUND', `${JSON.stringify(key)} is no repository of a volume`);
      const there = await known(claim, signal);
      if (there?.key === key) return there;
      return { key, password: await passwordFrom(store, key, identities, signal) };
    },
  };
}

async function passwordFrom(store: ObjectStore, key: string, identities: readonly Identity[], signal: AbortSignal): Promise<string> {
  const name = volumePasswordKey(key, true);
  const bytes = await readBytes(store, name, longestPassword, { signal });
  if (bytes === undefined) {
    const clear = await readBytes(store, volumePasswordKey(key, false), longestPassword, { signal });
    if (clear === undefined) throw new HoldfastError('STORE_NOT_FOUND', `${store.url}: there is no ${name}`);
    return text(clear);
  }
  if (identities.length === 0) throw new HoldfastError('IDENTITY_MISSING', `${name} is sealed, and no identity was given`);
  try {
    return text(await open(identities, bytes));
  } catch (thrown) {
    if (thrown instanceof HoldfastError) throw new HoldfastError(thrown.code, `${name}: ${thrown.message}`, { cause: thrown });
    throw thrown;
  }
}

/** Where a location and a claim have the Secret of their repository. */
export function secretName(repositoryId: string, { namespace, claim }: Subject): string {
  return `holdfast-volume-${shortDigest(`${repositoryId} ${namespace}/${claim}`)}`;
}

/** Without the label of work: it belongs into sets, so that a cluster that was brought back goes on with the repositories it had. */
function secretOf(name: string, claim: Subject, namespace: string, { key, password }: VolumeRepository): object {
  const labels = {
    'app.kubernetes.io/name': 'holdfast',
    [volumeNames.roleLabel]: 'repository',
    [volumeNames.claimLabel]: claimDigest(claim),
  };
  return {
    metadata: { name, namespace, labels, annotations: claimAnnotations(claim) },
    type: 'Opaque',
    stringData: { key, password },
  };
}

function repositoryOf(secret: JsonObject, namespace: string): VolumeRepository {
  const [key, password] = [decoded(secret, 'key'), decoded(secret, 'password')];
  if (claimOfVolumeKey(key) !== undefined && password !== '') return { key, password };
  const name = stringAt(secret, 'metadata', 'name') ?? '';
  throw new HoldfastError('VOLUME_PASSWORD_WRONG', `secrets ${namespace}/${name} does not hold the key and password of a repository`);
}

function decoded(secret: JsonObject, name: string): string {
  return Buffer.from(stringAt(secret, 'data', name) ?? '', 'base64').toString('utf8');
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8').trim();
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

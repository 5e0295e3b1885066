import { openStream, recipientFingerprint, recipientOf } from '../crypto/age.ts';
import { HoldfastError, isCode } from '../domain/errors.ts';
import type { Identity } from '../domain/identity.ts';
import { isDamage } from './damage.ts';
import { fileKey, isSealed } from './layout.ts';
import { readSetFile, withSignal } from './read-bytes.ts';
import type { Repository } from './repository.ts';
import { type OpenSetOptions, openSet, type SetReader } from './set-reader.ts';

/**
 * Opens a set of which the contents are wanted, and with its identity one of its files: who has the wrong one learns it before anything is
 * done. As `openSet`; IDENTITY_MISSING, IDENTITY_WRONG.
 */
export async function openContents(repository: Repository, id: string, options: OpenSetOptions): Promise<SetReader> {
  const set = await openSet(repository, id, options);
  const { identities = [] } = options;
  if (set.manifest.encryption.scheme === 'age' && identities.length === 0) {
    throw new HoldfastError('IDENTITY_MISSING', `${id} is sealed, and no identity was given`);
  }
  await tryIdentities(repository, set, identities, options);
  return set;
}

/** The start of one file that is whole is enough: all are sealed for the same recipients. What is damaged is told by whoever reads it. */
async function tryIdentities(
  { store }: Repository,
  { manifest }: SetReader,
  identities: readonly Identity[],
  options: OpenSetOptions,
): Promise<void> {
  for (const record of [...manifest.shards, ...manifest.index].filter(({ name }) => isSealed(name))) {
    try {
      const sealed = openStream(identities, store.get(fileKey(manifest.id, record.name), withSignal(options)));
      await sealed.next();
      await sealed.return(undefined);
      return;
    } catch (thrown) {
      if (isDamage(thrown) || isCode(thrown, 'STORE_NOT_FOUND')) continue;
      if (!isCode(thrown, 'IDENTITY_WRONG')) throw thrown;
      // One flipped bit in what is sealed for a recipient looks the same.
      if (!(await isWhole(() => readSetFile(store, manifest.id, record, options)))) continue;
      const sealedTo = `it is sealed to ${manifest.encryption.recipients.join(', ')}`;
      const given = await fingerprints(identities);
      const givenTo = given.length === 0 ? '' : `, and given was the identity of ${given.join(', ')}`;
      throw new HoldfastError('IDENTITY_WRONG', `${manifest.id}: no given identity opens ${record.name}: ${sealedTo}${givenTo}`, {
        cause: thrown,
      });
    }
  }
}

/** Of those that are text; one that is only held cannot be asked. */
async function fingerprints(identities: readonly Identity[]): Promise<string[]> {
  const texts = identities.filter(identity => typeof identity === 'string');
  return Promise.all(texts.map(async text => recipientFingerprint(await recipientOf(text))));
}

async function isWhole(read: () => Promise<unknown>): Promise<boolean> {
  try {
    await read();
    return true;
  } catch (thrown) {
    if (isDamage(thrown)) return false;
    throw thrown;
  }
}

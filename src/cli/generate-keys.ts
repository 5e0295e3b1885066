import { lstat, mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { keyFiles } from '../config/keys.ts';
import { generateIdentity, recipientFingerprint } from '../crypto/age.ts';
import { writeNewKeyFile } from '../crypto/keys.ts';
import { generateSigningKey, signingKeyId } from '../crypto/signing.ts';
import { HoldfastError } from '../domain/errors.ts';

/** Public facts about the keys that were made; never a key. */
export interface GeneratedKeys {
  readonly files: typeof keyFiles;
  readonly recipients: readonly { readonly name: string; readonly recipient: string; readonly fingerprint: string }[];
  readonly signingKeyId: string;
}

/** Writes fresh keys into a folder. KEY_INVALID, before anything is written, when one of the files exists already. */
export async function generateKeyFiles(directory: string): Promise<GeneratedKeys> {
  await makeFolder(directory).catch((thrown: Error) => {
    throw new HoldfastError('KEY_INVALID', `cannot make the folder ${directory}: ${thrown.message}`, {
      hint: 'name a writable place with --out',
    });
  });
  await refuseExisting(directory);
  const [operator, breakGlass] = [await generateIdentity(), await generateIdentity()];
  const signing = generateSigningKey();
  const write = (name: string, text: string, kind: 'private' | 'public') => writeNewKeyFile(join(directory, name), text, kind);
  await write(keyFiles.operatorIdentity, identityText(operator, 'operator: for restores and drills'), 'private');
  await write(
    keyFiles.breakGlassIdentity,
    identityText(breakGlass, 'break-glass: keep offline, for when the operator identity is lost'),
    'private',
  );
  await write(keyFiles.recipients, `# operator\n${operator.recipient}\n# break-glass\n${breakGlass.recipient}\n`, 'public');
  await write(keyFiles.signingKey, signing.privatePem, 'private');
  await write(keyFiles.signingPublicKey, signing.publicPem, 'public');
  const named = { operator, 'break-glass': breakGlass };
  return {
    files: keyFiles,
    recipients: Object.entries(named).map(([name, { recipient }]) => ({ name, recipient, fingerprint: recipientFingerprint(recipient) })),
    signingKeyId: signingKeyId(signing.publicPem),
  };
}

/** Level by level: Node's recursive mkdir tries for ever where a file system lets nothing be made, as /proc does. */
async function makeFolder(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: 0o700 });
  await make().catch(async (thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (thrown.code !== 'ENOENT' || dirname(path) === path) throw thrown;
    await makeFolder(dirname(path));
    await make();
  });
}

async function refuseExisting(directory: string): Promise<void> {
  for (const name of Object.values(keyFiles)) {
    const path = join(directory, name);
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) continue;
    throw new HoldfastError('KEY_INVALID', `${path} exists already, and keys are never overwritten`, {
      hint: 'choose another folder with --out; backups sealed to the old keys open only with the old identities',
    });
  }
}

function identityText({ identity, recipient }: { identity: string; recipient: string }, what: string): string {
  return `# holdfast ${what}\n# public key: ${recipient}\n${identity}\n`;
}

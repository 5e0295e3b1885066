import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tempDir } from '../cluster/temp-dir.ts';

/** A certificate for one host name, which is its own authority, and its key, both as PEM. */
export async function selfSigned(host: string): Promise<{ readonly cert: Buffer; readonly key: Buffer }> {
  const dir = await tempDir('certificate');
  await promisify(execFile)(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', 'key.pem', '-out', 'cert.pem'],
      ...['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`],
    ],
    { cwd: dir },
  );
  const [cert, key] = await Promise.all(['cert.pem', 'key.pem'].map(name => readFile(join(dir, name))));
  return { cert: cert!, key: key! };
}

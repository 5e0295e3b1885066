import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { sha256Hex } from '../crypto/digest.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { Runtime } from '../domain/runtime.ts';

/** Files in PEM: the certificate with its chain, and its key. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TlsMaterial {
  readonly options: SecureContextOptions & { readonly minVersion: 'TLSv1.2' };
  /** Changes with the content of either file. */
  readonly digest: string;
}

const lookEveryMs = 10_000;

/** CONFIG_INVALID when a file cannot be read, or the two do not belong together. */
export async function readTls({ certFile, keyFile }: TlsFiles): Promise<TlsMaterial> {
  const [cert, key] = await Promise.all([read(certFile, 'certificate'), read(keyFile, 'key')]);
  const options = { cert, key, minVersion: 'TLSv1.2' } as const;
  try {
    createSecureContext(options);
  } catch (thrown) {
    throw new HoldfastError('CONFIG_INVALID', `${certFile} and ${keyFile} are no certificate and key that belong together`, {
      cause: thrown,
      hint: 'name PEM files: the certificate with its chain first, and its unencrypted key',
    });
  }
  return { options, digest: sha256Hex(Buffer.concat([cert, key])) };
}

async function read(path: string, what: string): Promise<Buffer> {
  return readFile(path).catch((thrown: NodeJS.ErrnoException) => {
    throw new HoldfastError('CONFIG_INVALID', `${path}: the TLS ${what} cannot be read (${thrown.code})`, { cause: thrown });
  });
}

/**
 * Looks at the files every ten seconds until the signal aborts, and tells of a new pair. Files are read rather than watched, since mounted
 * Secrets change by a symbolic link. A pair that cannot be used is told of once, and the old one stays in force.
 */
export async function followTls(
  files: TlsFiles,
  first: TlsMaterial,
  options: {
    readonly runtime: Runtime;
    readonly signal: AbortSignal;
    readonly onChange: (material: TlsMaterial) => void;
    readonly onWarning: (text: string) => void;
  },
): Promise<void> {
  const { runtime, signal, onChange, onWarning } = options;
  let { digest } = first;
  let warned = '';
  while (!signal.aborted) {
    try {
      await runtime.sleep(lookEveryMs, signal);
    } catch {
      return;
    }
    try {
      const material = await readTls(files);
      warned = '';
      if (material.digest === digest) continue;
      digest = material.digest;
      onChange(material);
    } catch (thrown) {
      const { message } = thrown as Error;
      if (message !== warned) onWarning(`${message}; the certificate of before stays in force`);
      warned = message;
    }
  }
}

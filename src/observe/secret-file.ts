import { readFile } from 'node:fs/promises';
import { HoldfastError } from '../domain/errors.ts';

/** Reads a secret from its file whenever it is needed, so that a new one counts at once. */
export type ReadSecret = (signal: AbortSignal) => Promise<string>;

/** The content without the white space around it. CONFIG_INVALID names the file, never what is in it. */
export function secretFile(path: string): ReadSecret {
  return async signal => {
    const text = await readFile(path, { encoding: 'utf8', signal }).catch((thrown: NodeJS.ErrnoException) => {
      signal.throwIfAborted();
      throw new HoldfastError(
        'CONFIG_INVALID',
        `${path} cannot be read: ${thrown.code === 'ENOENT' ? 'there is no such file' : thrown.code}`,
      );
    });
    if (text.trim() === '') throw new HoldfastError('CONFIG_INVALID', `${path} is empty`);
    return text.trim();
  };
}

/** An address that is a secret or not, checked when it is read. CONFIG_INVALID unless it is http or https. */
export function addressOf({ url, urlFile }: { readonly url?: string | undefined; readonly urlFile?: string | undefined }): ReadSecret {
  const read = urlFile === undefined ? async () => url ?? '' : secretFile(urlFile);
  return async signal => {
    const protocol = URL.parse(await read(signal))?.protocol;
    if (protocol === 'https:' || protocol === 'http:') return read(signal);
    throw new HoldfastError('CONFIG_INVALID', `${urlFile ?? 'the address'} holds no http or https address`);
  };
}

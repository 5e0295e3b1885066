import { type ErrorCode, HoldfastError } from '../domain/errors.ts';

const codes: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'STORE_FULL',
  EDQUOT: 'STORE_FULL',
  EFBIG: 'STORE_FULL',
  EACCES: 'STORE_FORBIDDEN',
  EPERM: 'STORE_FORBIDDEN',
  EROFS: 'STORE_FORBIDDEN',
  ELOOP: 'STORE_FORBIDDEN',
  ENOENT: 'STORE_NOT_FOUND',
  EISDIR: 'STORE_NOT_FOUND',
  ENOTDIR: 'STORE_NOT_FOUND',
  ESTALE: 'STORE_UNREACHABLE',
  EHOSTDOWN: 'STORE_UNREACHABLE',
  ETIMEDOUT: 'STORE_UNREACHABLE',
};

const words: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would exceed the allowed size',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ELOOP: 'a symbolic link stands in its place',
  ENOENT: 'there is no such object',
  EISDIR: 'there is no such object',
  ENOTDIR: 'there is no such object',
};

export function errno(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}

/** Does the error say that nothing is there? */
export function isAbsent(thrown: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(errno(thrown));
}

/** Runs one file system call; its errors become STORE_ errors that say what was being done to which key. */
export async function fileCall<T>(doing: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    if (thrown instanceof HoldfastError) throw thrown;
    const code = errno(thrown);
    const kind = codes[code] ?? 'STORE_ERROR';
    throw new HoldfastError(kind, `${doing}: ${words[code] ?? (code === '' ? String(thrown) : code)}`, {
      cause: thrown,
      ...(kind === 'STORE_FORBIDDEN' && {
        hint: 'check the rights of this user to the folder of the location, and how its file system is mounted',
      }),
    });
  }
}

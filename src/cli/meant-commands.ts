import type { HoldfastError } from '../domain/errors.ts';

const setId = /\b\d{8}T\d{6}Z-[a-z0-9]+(?:-[a-z0-9]+)*-[a-z0-9]{4}\b/g;

/** Of an error that says which backups may be meant: the same line once for each of them, to be run as it stands. */
export function meantCommands({ code, message }: HoldfastError, argv: readonly string[]): readonly string[] {
  const [, text] = /^(\S+) may /.exec(message) ?? [];
  const at = argv.indexOf(text ?? '');
  if (code !== 'BACKUP_AMBIGUOUS' || at < 0) return [];
  const ids = new Set(message.match(setId) ?? []);
  return [...ids].map(id => ['holdfast', ...argv.with(at, id)].map(quoted).join(' '));
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

import type { GeneratedKeys } from '../generate-keys.ts';
import type { Style } from '../style.ts';
import { table } from '../table.ts';

/** What was made, and where each file belongs. */
export function keyLines({ files, recipients, signingKeyId }: GeneratedKeys, directory: string, style: Style): string[] {
  const rows = [
    [files.operatorIdentity, 'secret', 'with whoever restores, in a password manager or HSM; not on the cluster'],
    [files.breakGlassIdentity, 'secret', 'offline and elsewhere: printed, or in a safe'],
    [files.signingKey, 'secret', 'where backups are taken: it signs them, and can read none'],
    [files.recipients, 'public', 'where backups are taken: they are sealed to these'],
    [files.signingPublicKey, 'public', 'with whoever restores: it proves who wrote a backup'],
  ];
  return [
    `${style.good('✓')} Keys are in ${style.bold(directory)}`,
    '',
    ...table<string[]>(
      [
        { title: 'FILE', cell: row => row[0] ?? '', paint: style.bold },
        { title: 'IT IS', cell: row => row[1] ?? '', paint: text => (text === 'secret' ? style.warning(text) : text) },
        { title: 'KEEP IT', cell: row => row[2] ?? '' },
      ],
      rows,
      { style, indent: '  ' },
    ),
    '',
    ...table<GeneratedKeys['recipients'][number]>(
      [
        { title: 'IDENTITY', cell: row => row.name },
        { title: 'RECIPIENT', cell: row => row.recipient },
      ],
      recipients,
      { style, indent: '  ' },
    ),
    '',
    `  Signing key ${signingKeyId}`,
    '',
    style.warning('! Without one of the two identities no backup can ever be opened again. Move them out of this folder now.'),
  ];
}

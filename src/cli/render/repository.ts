import type { RepositoryInfo } from '../../repository/repository.ts';
import { printable } from '../format.ts';
import type { Style } from '../style.ts';
import { facts } from '../table.ts';

/** What a new repository is bound to. */
export function repositoryLines(location: string, info: RepositoryInfo, style: Style): string[] {
  const { recipientFingerprints: recipients, signingKeyIds } = info;
  return [
    `${style.good('✓')} Repository made in ${style.bold(printable(location))}`,
    '',
    ...facts(
      [
        ['Id', info.id],
        ['Format', String(info.formatVersion)],
        ...(recipients.length === 0
          ? [['Sealed', style.bad('NO: everything, Secrets too, will lie in the clear')] as const]
          : recipients.map((fingerprint, i) => [i === 0 ? 'Sealed to' : '', fingerprint] as const)),
        ...signingKeyIds.map((id, i) => [i === 0 ? 'Signed by' : '', id] as const),
      ],
      style,
      '  ',
    ),
  ];
}

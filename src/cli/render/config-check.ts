import type { Problem } from '../../config/problems.ts';
import type { Policy } from '../../domain/policy.ts';
import { counted, printable } from '../format.ts';
import type { Style } from '../style.ts';

export interface CheckedFile {
  readonly file: string;
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
  readonly policies: readonly Policy[];
}

/** The verdict on a configuration file, for people. */
export function checkLines({ file, problems, warnings, policies }: CheckedFile, style: Style): string[] {
  const tiers = policies.reduce((sum, policy) => sum + policy.tiers.length, 0);
  const verdict =
    problems.length === 0
      ? `${style.good('✓')} ${style.bold(printable(file))} is valid: ${counted(policies.length, 'policy', 'policies')}, ${counted(tiers, 'tier')}`
      : `${style.bad('✗')} ${style.bold(printable(file))} is not valid: ${counted(problems.length, 'problem')}`;
  return [
    verdict,
    ...problems.flatMap(({ message, hint }) => [
      `  ${printable(message)}`,
      ...(hint === undefined ? [] : [style.dim(`    ${printable(hint)}`)]),
    ]),
    ...warnings.map(warning => `  ${style.warning('warning:')} ${printable(warning)}`),
  ];
}

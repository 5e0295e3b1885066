import type { Hold } from '../../repository/holds.ts';
import { printable, time } from '../format.ts';
import type { Style } from '../style.ts';
import { facts } from '../table.ts';

/** What holds a set, or held it. */
export function holdLines({ set, reason, by, at }: Hold, what: 'held' | 'held before' | 'released', style: Style): string[] {
  const state = { held: '✓ held', 'held before': '✓ held already, for the reason that was given first', released: '✓ released' }[what];
  return [
    `${style.bold(set)}  ${style.good(state)}`,
    ...facts(
      [
        ['Reason', printable(reason)],
        ['Held by', printable(by)],
        ['Since', time(at)],
      ],
      style,
      '  ',
    ),
  ];
}

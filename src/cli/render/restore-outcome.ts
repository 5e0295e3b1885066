import { errorTable } from '../../domain/errors.ts';
import type { RestoreOutcome, RestorePhase } from '../../domain/restore-plan.ts';
import { count, counted, duration, printable, size } from '../format.ts';
import type { Style } from '../style.ts';
import { facts } from '../table.ts';
import { block } from './block.ts';
import { keptText, problemBlocks, stepTable, writesOf } from './restore-plan.ts';
import { volumeOutcomeLines } from './restore-volumes.ts';

/** What `restore create` ends with. */
export function restoreOutcome(outcome: RestoreOutcome, style: Style): string[] {
  const { fail: failed, 'skip-differs': kept } = outcome.totals;
  return [
    `${phase(outcome.phase, style)}  restore of ${style.bold(outcome.backup)}`,
    ...(failed === 0
      ? []
      : [style.warning(`  ${counted(failed, 'object')} did not come back; run the same command again once the causes are mended`)]),
    '',
    ...facts(
      [
        ['Cluster', printable(outcome.server)],
        ['Written', `${counted(writesOf(outcome.totals), 'object')} by ${counted(outcome.writes, 'request')}`],
        ['Handled', `${counted(outcome.objects, 'object')}, ${size(outcome.bytes)} of JSON`],
        [
          'Took',
          `${duration(outcome.durationMs)} (${count(Math.round(outcome.objects / Math.max(0.001, outcome.durationMs / 1000)))} objects/s)`,
        ],
      ],
      style,
      '  ',
    ),
    '',
    ...stepTable(outcome.steps, outcome.totals, style, [
      { title: 'TOOK', cell: i => duration(outcome.steps[i]?.durationMs ?? 0), align: 'right' },
    ]).map(line => `  ${line}`),
    ...block('Volumes', volumeOutcomeLines(outcome.volumes, style), style),
    ...problemBlocks(outcome.problems, style),
    ...(outcome.problemsOmitted === 0 ? [] : [style.dim(`  and ${counted(outcome.problemsOmitted, 'more problem')}`)]),
    ...(kept === 0 ? [] : ['', style.warning(`${keptText(kept)}: holdfast restore plan ${outcome.backup} --diff shows how.`)]),
    ...(outcome.stoppedBy === undefined ? [] : ['', `${style.accent('hint:')} ${errorTable[outcome.stoppedBy].hint}`]),
  ];
}

function phase(value: RestorePhase, style: Style): string {
  const words = {
    Completed: style.good('✓ Completed'),
    PartiallyFailed: style.warning('! PartiallyFailed'),
    Failed: style.bad('✗ Failed'),
  } as const satisfies Record<RestorePhase, string>;
  return words[value];
}

import type { RetentionDecision, RetentionPlan } from '../../schedule/retention.ts';
import type { RetentionItem, RetentionOutcome } from '../../schedule/retention-run.ts';
import { age, count, counted, printable, time } from '../format.ts';
import type { Style } from '../style.ts';
import { type Column, table } from '../table.ts';

const fewest = 20;

export interface RetentionPlanOptions {
  readonly style: Style;
  readonly now: Date;
  readonly headers?: boolean;
  /** Every set, not only what goes and the first ones to expire. */
  readonly all?: boolean;
}

/** To be deleted first, oldest first; then by expiry, and last what has none. */
export function byExpiry({ decisions }: RetentionPlan): RetentionDecision[] {
  const rank = ({ action, expiresAt }: RetentionDecision): number =>
    action === 'delete' ? Number.NEGATIVE_INFINITY : expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt);
  // Infinities cannot be subtracted from each other.
  return decisions.toSorted((a, b) => (rank(a) === rank(b) ? 0 : rank(a) < rank(b) ? -1 : 1));
}

/** What would go, and when the others expire. */
export function retentionPlanLines(plan: RetentionPlan, { style, now, headers = true, all = false }: RetentionPlanOptions): string[] {
  if (plan.decisions.length === 0) return [];
  const ordered = byExpiry(plan);
  const going = ordered.filter(({ action }) => action === 'delete').length;
  const shown = all ? ordered : ordered.slice(0, going + fewest);
  const more = ordered.length - shown.length;
  const columns: Column<RetentionDecision>[] = [
    { title: 'NAME', cell: ({ set }) => set, paint: style.bold },
    {
      title: 'DECISION',
      cell: ({ action }) => (action === 'delete' ? '✗ delete' : '✓ keep'),
      paint: (text, { action }) => (action === 'delete' ? style.warning(text) : style.good(text)),
    },
    { title: 'EXPIRES', cell: ({ expiresAt }) => (expiresAt === undefined ? '' : time(expiresAt)) },
    { title: 'IN', cell: one => leftOf(one, now), align: 'right' },
    { title: 'WHY', cell: ({ reasons }) => printable(reasons.join('; ')) },
  ];
  return [
    ...table(columns, shown, { style, headers }),
    ...(more === 0 ? [] : [style.dim(`and ${counted(more, 'more backup')} that ${more === 1 ? 'stays' : 'stay'}: --all`)]),
    '',
    verdict(plan, going, style),
  ];
}

function leftOf({ action, expiresAt }: RetentionDecision, now: Date): string {
  const ms = expiresAt === undefined ? 0 : Date.parse(expiresAt) - now.getTime();
  return action === 'delete' || ms <= 0 ? '' : age(ms);
}

function verdict({ decisions, blocked }: RetentionPlan, going: number, style: Style): string {
  if (blocked !== undefined) return style.bad(`✗ Nothing goes: ${blocked} (--yes).`);
  if (going === 0) return style.good(`✓ Nothing goes; ${counted(decisions.length, 'backup stays', 'backups stay')}.`);
  return `${counted(going, 'backup goes', 'backups go')}, ${count(decisions.length - going)} ${decisions.length - going === 1 ? 'stays' : 'stay'}.`;
}

const words = {
  deleted: '✓ deleted',
  cleared: '✓ cleared',
  kept: '- kept',
  failed: '✗ FAILED',
} as const satisfies Record<RetentionItem['result'], string>;

/** What became of each set, and how many stay. */
export function retentionOutcomeLines({ items, plan }: RetentionOutcome, style: Style, headers = true): string[] {
  const paint = { deleted: style.good, cleared: style.good, kept: style.dim, failed: style.bad };
  const number = (result: RetentionItem['result']) => items.filter(item => item.result === result).length;
  const stay = plan.decisions.length - number('deleted');
  const failed = number('failed');
  const lines = table<RetentionItem>(
    [
      { title: 'NAME', cell: ({ set }) => set, paint: style.bold },
      { title: 'RESULT', cell: ({ result }) => words[result], paint: (text, { result }) => paint[result](text) },
      { title: 'CODE', cell: ({ code }) => code ?? '' },
      { title: 'WHY', cell: ({ message }) => printable(message) },
    ],
    items,
    { style, headers },
  );
  const sum = `${counted(number('deleted'), 'backup')} deleted, ${count(stay)} left`;
  const end = failed === 0 ? style.good(`✓ ${sum}`) : style.bad(`✗ ${sum}; ${count(failed)} could not be deleted`);
  return [...lines, ...(lines.length === 0 ? [] : ['']), `${end}.`];
}

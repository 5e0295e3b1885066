import { describe, expect, it } from 'vitest';
import type { RetentionDecision, RetentionPlan } from '../../schedule/retention.ts';
import type { RetentionItem } from '../../schedule/retention-run.ts';
import { plainStyle as style } from '../style.ts';
import { byExpiry, retentionOutcomeLines, retentionPlanLines } from './retention.ts';

const now = new Date('2026-11-23T12:00:00Z');

function kept(set: string, expiresAt?: string): RetentionDecision {
  return { set, action: 'keep', reasons: ['daily until then'], ...(expiresAt !== undefined && { expiresAt }) };
}

function gone(set: string): RetentionDecision {
  return { set, action: 'delete', reasons: ['daily ended', 'weekly ended'], expiresAt: '2026-11-01T02:00:00.000Z' };
}

function plan(decisions: readonly RetentionDecision[], changes: Partial<RetentionPlan> = {}): RetentionPlan {
  return { at: now.toISOString(), digest: '', decisions, beyondLimit: false, notices: [], ...changes };
}

const lines = (of: RetentionPlan, all = false) => retentionPlanLines(of, { style, now, all });

describe('a retention plan', () => {
  it('has first what goes, then what expires next, and last what does not expire', () => {
    const decisions = [
      kept('a'),
      gone('b'),
      kept('c', '2026-12-01T00:00:00.000Z'),
      kept('d', '2026-11-25T00:00:00.000Z'),
      gone('e'),
      kept('f'),
    ];
    expect(byExpiry(plan(decisions)).map(({ set }) => set)).toEqual(['b', 'e', 'd', 'c', 'a', 'f']);
  });

  it('says when, how soon and why', () => {
    expect(lines(plan([gone('b'), kept('d', '2026-11-25T12:00:00.000Z'), kept('held')]))).toEqual([
      'NAME   DECISION   EXPIRES                IN   WHY',
      'b      ✗ delete   2026-11-01 02:00:00Z    -   daily ended; weekly ended',
      'd      ✓ keep     2026-11-25 12:00:00Z   2d   daily until then',
      'held   ✓ keep     -                       -   daily until then',
      '',
      '1 backup goes, 2 stay.',
    ]);
  });

  it('leaves away what stays long, unless all is asked for', () => {
    const many = [gone('b'), ...Array.from({ length: 25 }, (_, i) => kept(`k${i}`))];
    expect(lines(plan(many)).slice(-3)).toEqual(['and 5 more backups that stay: --all', '', '1 backup goes, 25 stay.']);
    expect(lines(plan(many))).toHaveLength(1 + 1 + 20 + 3);
    expect(lines(plan(many), true)).toHaveLength(1 + 26 + 2);
  });

  it('says that it is blocked, and why', () => {
    expect(lines(plan([gone('b')], { beyondLimit: true, blocked: '9 of 12 sets would go' })).at(-1)).toBe(
      '✗ Nothing goes: 9 of 12 sets would go (--yes).',
    );
  });

  it('lets no text of others move the cursor', () => {
    const held = { ...kept('a'), reasons: ['held by mallory: \x1b[2J'] };
    expect(lines(plan([held])).join('\n')).not.toContain('\x1b');
  });

  it('of an empty repository has no lines', () => expect(lines(plan([]))).toEqual([]));
});

describe('what became of it', () => {
  const decisions = [gone('a'), gone('b'), kept('c')];
  const deleted: RetentionItem = { set: 'a', result: 'deleted', message: '' };

  it('is how many went, and how many are left', () => {
    const items: RetentionItem[] = [deleted, { set: 'x', result: 'cleared', message: 'it has no manifest' }];
    expect(retentionOutcomeLines({ plan: plan(decisions), items, notices: [] }, style).at(-1)).toBe('✓ 1 backup deleted, 2 left.');
  });

  it('names what could not be deleted', () => {
    const items: RetentionItem[] = [deleted, { set: 'b', result: 'failed', code: 'STORE_FORBIDDEN', message: 'access denied' }];
    const shown = retentionOutcomeLines({ plan: plan(decisions), items, notices: [] }, style);
    expect(shown.find(line => line.startsWith('b'))).toBe('b      ✗ FAILED    STORE_FORBIDDEN   access denied');
    expect(shown.at(-1)).toBe('✗ 1 backup deleted, 2 left; 1 could not be deleted.');
  });

  it('may be nothing', () => {
    expect(retentionOutcomeLines({ plan: plan([kept('c')]), items: [], notices: [] }, style)).toEqual(['✓ 0 backups deleted, 1 left.']);
  });
});

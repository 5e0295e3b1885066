import { describe, expect, it } from 'vitest';
import type { LedgerEntry } from '../../domain/ledger.ts';
import { plainStyle } from '../style.ts';
import { headText, ledgerList, ledgerVerdict } from './ledger.ts';

const entry: LedgerEntry = {
  formatVersion: 1,
  seq: 7,
  at: '2026-11-24T02:00:05.123Z',
  previous: '0'.repeat(64),
  repository: 'ab',
  action: 'set.deleted',
  actor: { name: 'alice', via: 'api' },
  subject: '20261024T020000Z-daily-aaaa',
  details: { reasons: ['kept 30 days'], tier: 'daily' },
};
const head = { seq: 7, sha256: 'c'.repeat(64) };

describe('the ledger', () => {
  it('says in one line an entry who did what to what, and when', () => {
    expect(ledgerList([entry], plainStyle, true)[1]).toMatch(
      /^ *7 +2026-11-24 02:00:05Z +set\.deleted +alice +api +20261024T020000Z-daily-aaaa +reasons=\["kept 30 days"\] tier=daily$/,
    );
  });

  it('lets nobody who is named in an entry write on the terminal', () => {
    const evil = {
      ...entry,
      actor: { name: 'a\u001b[2Jb', via: 'api' as const },
      details: { why: '\u001b]0;x\u0007', long: 'x'.repeat(500) },
    };
    const text = ledgerList([evil], plainStyle, false).join('\n');
    expect(text).not.toContain('\u001b');
    expect(text.length).toBeLessThan(300);
  });

  it('gives the head to keep only where the chain is whole', () => {
    const whole = ledgerVerdict({ ok: true, entries: 7, head, problems: [], notices: ['entry 3 is dated 2020'] }, plainStyle).join('\n');
    expect(whole).toContain(headText(head));
    expect(whole).toContain('entry 3 is dated 2020');
    const broken = ledgerVerdict({ ok: false, entries: 7, head, problems: ['entry 2 is missing'], notices: [] }, plainStyle).join('\n');
    expect(broken).toContain('BROKEN');
    expect(broken).toContain('entry 2 is missing');
    expect(broken).not.toContain(head.sha256);
  });
});

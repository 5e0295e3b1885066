import { expect, it } from 'vitest';
import type { Operation } from '../domain/operation.ts';
import { noActions, type RestoreAction } from '../domain/restore-plan.ts';
import { everything } from '../domain/selection.ts';
import { isOfPlatform } from './measured-restores.ts';

const at = '2026-11-23T12:00:00.000Z';
function restore(totals: Partial<Record<RestoreAction, number>>, changes: { selection?: object; dryRun?: boolean } = {}): Operation {
  const { selection = everything, dryRun = false } = changes;
  const id = '20261123T120000Z-restore-aaaa';
  const summary = { ...(!dryRun && { durationMs: 5 }), totals: { ...noActions(), ...totals } };
  const parameters = { options: { selection }, dryRun };
  return {
    request: { id, kind: 'restore', subject: 's1', actor: { name: 'alice', via: 'api' }, createdAt: at, parameters },
    phase: 'Completed',
    result: { id, phase: 'Completed', startedAt: at, finishedAt: at, summary },
  };
}

it('a restore is measured where it brought a platform back, and not where it found it there', () => {
  expect(isOfPlatform(restore({ create: 900, 'skip-equal': 60 }))).toBe(true);
  expect(isOfPlatform(restore({ recreate: 3, adopt: 2, complete: 2, update: 1, 'skip-equal': 4, exclude: 90 }))).toBe(true);
  expect(isOfPlatform(restore({ 'skip-equal': 960 }))).toBe(false);
  expect(isOfPlatform(restore({ create: 1, 'skip-equal': 900, 'skip-differs': 59 }))).toBe(false);
  expect(isOfPlatform(restore({ create: 900 }, { selection: { ...everything, includeNamespaces: ['agents'] } }))).toBe(false);
});

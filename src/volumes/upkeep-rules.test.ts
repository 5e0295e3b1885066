import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkParts, dueCheck, forgettable, type StoredSnapshot } from './upkeep-rules.ts';

const now = new Date('2026-11-26T02:00:00Z');
const dayMs = 86_400_000;
const id = (text: string) => text.repeat(64).slice(0, 64);
const stored = (text: string, ageMs: number): StoredSnapshot => ({ id: id(text), modified: new Date(now.getTime() - ageMs) });

describe('restic snapshots to forget', () => {
  it('are those that no set names and that are older than a day', () => {
    const present = [stored('a', 2 * dayMs), stored('b', 2 * dayMs), stored('c', dayMs - 1)];
    expect(forgettable(present, { ids: new Set([id('a')]), whole: true }, now)).toEqual([id('b')]);
  });

  it('are none while a set cannot be read: it may name any of them', () => {
    expect(forgettable([stored('a', 9 * dayMs)], { ids: new Set(), whole: false }, now)).toEqual([]);
  });

  it('are none that a backup may have made that was begun before and has not ended, for a week', () => {
    const present = [stored('a', 2 * dayMs), stored('b', 4 * dayMs)];
    const forget = (...begunMs: number[]) =>
      forgettable(present, { ids: new Set(), whole: true, unfinished: begunMs.map(ms => new Date(now.getTime() - ms)) }, now);
    expect(forget()).toEqual([id('a'), id('b')]);
    expect(forget(dayMs / 2, 3 * dayMs)).toEqual([id('b')]);
    expect(forget(5 * dayMs)).toEqual([]);
    expect(forget(8 * dayMs)).toEqual([id('a'), id('b')]);
  });

  it('are never named ones nor young ones, whatever there is', () => {
    const snapshot = fc.record({ id: fc.stringMatching(/^[0-9a-f]{64}$/), age: fc.integer({ min: -dayMs, max: 400 * dayMs }) });
    fc.assert(
      fc.property(fc.array(snapshot, { maxLength: 40 }), fc.infiniteStream(fc.boolean()), fc.boolean(), (all, choose, whole) => {
        const present = all.map(({ id: name, age }) => ({ id: name, modified: new Date(now.getTime() - age) }));
        const ids = new Set(present.filter(() => choose.next().value).map(one => one.id));
        const forgotten = forgettable(present, { ids, whole }, now);
        for (const one of forgotten) {
          expect(ids.has(one)).toBe(false);
          expect(present.filter(({ id: name }) => name === one).some(({ modified }) => now.getTime() - modified.getTime() > dayMs)).toBe(
            true,
          );
        }
        const left = present.filter(one => !ids.has(one.id) && now.getTime() - one.modified.getTime() > dayMs);
        expect(forgotten.length).toBe(whole ? left.length : 0);
      }),
    );
  });
});

describe('the check of a repository', () => {
  const days = (count: number) => Array.from({ length: count }, (_, i) => new Date(now.getTime() + i * dayMs));

  it('is due on one day of seven', () => {
    for (const key of ['volumes/a/b/', 'volumes/agents/workspace/', 'volumes/x/y~12ab/']) {
      for (let week = 0; week < 20; week++) {
        const due = days(140)
          .slice(week * 7, week * 7 + 7)
          .filter(day => dueCheck(key, day) !== undefined);
        expect(due).toHaveLength(1);
      }
    }
  });

  it('is made up for, once, when the upkeep before was long ago, as with retention once a week or after downtime', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 40 * 24 }), fc.integer({ min: 0, max: 700 }), (key, hours, day) => {
        const at = new Date(now.getTime() + day * dayMs);
        const before = new Date(at.getTime() - hours * 3_600_000);
        const between = Array.from({ length: Math.floor(at.getTime() / dayMs) - Math.floor(before.getTime() / dayMs) }, (_, i) =>
          dueCheck(key, new Date(at.getTime() - i * dayMs)),
        ).filter(part => part !== undefined);
        expect(dueCheck(key, at, before)).toBe(between[0]);
        if (hours >= 7 * 24) expect(dueCheck(key, at, before)).toMatch(/\/12$/);
        // A wrong clock keeps no repository from being read.
        expect(dueCheck(key, at, new Date(at.getTime() + hours * 3_600_000 + 1))).toBe(dueCheck(key, at));
      }),
    );
  });

  it('reads every part in turn', () => {
    const parts = days(7 * checkParts).flatMap(day => dueCheck('volumes/agents/workspace/', day) ?? []);
    expect(new Set(parts).size).toBe(checkParts);
    for (const part of parts) expect(part).toMatch(/^([1-9]|1[0-2])\/12$/);
  });

  it('does not read all repositories on the same day', () => {
    const due = Array.from({ length: 70 }, (_, i) => dueCheck(`volumes/agents/workspace-${i}/`, now)).filter(part => part !== undefined);
    expect(due.length).toBeGreaterThan(0);
    expect(due.length).toBeLessThan(30);
  });
});

import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../domain/errors.ts';
import { problemLimit } from '../domain/restore-plan.ts';
import { Tally } from './tally.ts';

const refused = new HoldfastError('CLUSTER_REJECTED', 'refused by a quota');

describe('a tally', () => {
  it('has no failure where there are only warnings, however many', () => {
    const tally = new Tally();
    for (let i = 0; i < problemLimit + 5; i++) tally.warn(`configmaps a/${i}`, 'without its owner');
    expect(tally).toMatchObject({ anyFailed: false, problemsOmitted: 5 });
    expect(tally.problems).toHaveLength(problemLimit);
  });

  it('names a failure that comes after more warnings than are kept, before all of them', () => {
    const tally = new Tally();
    for (let i = 0; i < problemLimit + 5; i++) tally.warn(`configmaps a/${i}`, 'without its owner');
    tally.failed('configmaps a/last', refused);
    expect(tally).toMatchObject({ anyFailed: true, problemsOmitted: 6 });
    expect(tally.problems).toHaveLength(problemLimit);
    expect(tally.problems[0]).toEqual({
      ...{ severity: 'failed', item: 'configmaps a/last', code: 'CLUSTER_REJECTED', message: 'refused by a quota' },
    });
  });

  it('counts the failures that it does not keep', () => {
    const tally = new Tally();
    for (let i = 0; i < problemLimit + 3; i++) tally.failed(`configmaps a/${i}`, refused);
    tally.warn('configmaps a/x', 'without its owner');
    expect(tally.problemsOmitted).toBe(4);
    expect(tally.problems.every(({ severity }) => severity === 'failed')).toBe(true);
  });

  it('has failed where a whole kind has, and keeps it as one problem within the limit', () => {
    const tally = new Tally();
    for (let i = 0; i < problemLimit; i++) tally.failed(`configmaps a/${i}`, refused);
    for (let i = 0; i < 7; i++) tally.failedTogether('widgets.example.com', 'CLUSTER_NOT_FOUND', 'not served');
    expect(tally.problems).toHaveLength(problemLimit);
    expect(tally.problems[0]).toMatchObject({ item: 'widgets.example.com', objects: 7 });
    expect(tally).toMatchObject({ anyFailed: true, problemsOmitted: 1 });
  });
});

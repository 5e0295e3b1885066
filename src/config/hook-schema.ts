import { z } from 'zod';
import type { HookRule } from '../domain/hook-rule.ts';
import { labelMatcher } from '../domain/label-selector.ts';
import { command, duration, list, oneOf, text } from './values.ts';

const hook = z
  .strictObject(
    {
      namespaces: list.describe('Namespaces of the pods, as globs; all unless told.'),
      labelSelector: text.describe('Kubernetes label selector that the pods must match; all unless told.'),
      container: text.describe('The container of both commands; the first unless told.'),
      quiesce: command.describe('Run before the snapshots of the pod’s claims: a list of words, or a line for `sh -c`.'),
      thaw: command.describe('Run after them, whatever happened.'),
      timeout: duration.describe('How long each may take; `volumes.hookTimeout` unless told.'),
      onError: oneOf(['fail', 'continue']).describe(
        'When `quiesce` fails: take no snapshot, and the claim has failed, or take it all the same and say so; `fail` unless told.',
      ),
    },
    'must be a map with quiesce or thaw',
  )
  .partial()
  .superRefine(({ labelSelector, quiesce, thaw }, context) => {
    if (quiesce === undefined && thaw === undefined) context.addIssue({ code: 'custom', message: 'needs quiesce or thaw' });
    try {
      labelMatcher(labelSelector ?? '');
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: (thrown as Error).message, path: ['labelSelector'] });
    }
  });

/** Hooks for pods, as they are written. */
export const HookList = z.array(hook, 'must be a list of maps with quiesce or thaw');

/** What they mean, with every default filled in. */
export function hooksFrom(given: z.output<typeof HookList> = []): readonly HookRule[] {
  return given.map(({ namespaces = [], labelSelector = '', container, quiesce = [], thaw = [], timeout, onError = 'fail' }) => ({
    ...{ namespaces, labelSelector, quiesce, thaw, onError },
    ...(container !== undefined && { container }),
    ...(timeout !== undefined && { timeoutMs: timeout }),
  }));
}

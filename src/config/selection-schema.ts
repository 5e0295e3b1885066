import { z } from 'zod';
import { labelMatcher } from '../domain/label-selector.ts';
import { everything, type Selection } from '../domain/selection.ts';
import { list, oneOf, text } from './values.ts';

/** What a backup takes; what is not said is everything. */
export const SelectionSettings = z
  .strictObject(
    {
      includeNamespaces: list.describe('Namespaces to take, as globs; all unless told.'),
      excludeNamespaces: list.describe('Namespaces to leave out, as globs; wins over include.'),
      includeKinds: list.describe('Kinds to take, as kubectl writes them (`configmaps`, `workflows.argoproj.io`), as globs.'),
      excludeKinds: list.describe('Kinds to leave out, as globs; wins over include.'),
      labelSelector: text.describe('Kubernetes label selector that objects must match.'),
      clusterScoped: oneOf(['auto', 'always', 'never']).describe(
        'Objects outside namespaces: `auto` takes them where no namespace pattern is given.',
      ),
    },
    'must be a map',
  )
  .partial()
  .superRefine(({ labelSelector }, context) => {
    try {
      labelMatcher(labelSelector ?? '');
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: (thrown as Error).message, path: ['labelSelector'] });
    }
  });
export type SelectionSettings = z.infer<typeof SelectionSettings>;

export function selectionFrom(settings: SelectionSettings): Selection {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  return { ...everything, ...(Object.fromEntries(given) as Partial<Selection>) };
}

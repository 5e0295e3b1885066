import { kindOf } from './restore.ts';

/** A kind that comes and goes while something runs. */
export const passing = kindOf('passings.holdfast.test/v1 Passing');

/** What makes it a kind; JSON. */
export const passingDefinition = JSON.stringify({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'passings.holdfast.test' },
  spec: {
    group: 'holdfast.test',
    names: { kind: 'Passing', plural: 'passings', singular: 'passing', listKind: 'PassingList' },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
});

/** One of its objects; JSON. */
export function passingNamed(name: string, content: object = {}): string {
  return JSON.stringify({ apiVersion: 'holdfast.test/v1', kind: 'Passing', metadata: { name }, ...content });
}

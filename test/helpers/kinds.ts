import type { ResourceKind } from '../../src/domain/resource.ts';

/** As discovery tells it. */
export const configmaps: ResourceKind = {
  group: '',
  version: 'v1',
  resource: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
  verbs: ['list', 'watch'],
  subresources: [],
};

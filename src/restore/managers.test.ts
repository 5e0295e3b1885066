import { describe, expect, it } from 'vitest';
import type { ResourceKind } from '../domain/resource.ts';
import { fieldManagers, isUnfinished, ownershipOf, restoreManager, withUids } from './managers.ts';

const configmaps: ResourceKind = {
  group: '',
  version: 'v1',
  resource: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
  verbs: [],
  subresources: [],
};

function managed(...entries: [manager: string, operation: string, subresource?: string | undefined, apiVersion?: string][]) {
  return fieldManagers({
    metadata: {
      managedFields: entries.map(([manager, operation, subresource, apiVersion = 'v1']) => ({
        manager,
        operation,
        apiVersion,
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:data': {} },
        ...(subresource !== undefined && { subresource }),
      })),
    },
  });
}

describe('giving fields back to their managers', () => {
  it('takes one create in the name of the only one, or of the first of several who share', () => {
    expect(ownershipOf(managed(['kubectl', 'Update']), configmaps, false).object).toMatchObject({ how: 'create', manager: 'kubectl' });
    expect(ownershipOf(managed(['a', 'Update'], ['b', 'Update']), configmaps, false).object).toMatchObject({ how: 'create', manager: 'a' });
    expect(ownershipOf([], configmaps, false).object).toMatchObject({ how: 'create', manager: 'holdfast' });
  });

  it('takes one apply in the name of the only one who applied', () => {
    const { object } = ownershipOf(managed(['gitops', 'Apply'], ['kcm', 'Update', 'status']), configmaps, false);
    expect(object).toMatchObject({ how: 'apply', manager: 'gitops' });
  });

  it('states the managers where one applied and others wrote as well, or where an apply could not be repeated', () => {
    expect(ownershipOf(managed(['gitops', 'Apply'], ['b', 'Update']), configmaps, false).object).toMatchObject({ how: 'state' });
    expect(ownershipOf(managed(['gitops', 'Apply', undefined, 'v2']), configmaps, false).object).toMatchObject({ how: 'state' });
    const pods = { ...configmaps, resource: 'pods' };
    expect(ownershipOf(managed(['gitops', 'Apply']), pods, false).object).toMatchObject({ how: 'state' });
  });

  it('writes a status in the name of its own manager, and states one that was applied', () => {
    const widgets = { ...configmaps, group: 'example.com', resource: 'widgets' };
    const both = managed(['gitops', 'Apply', undefined, 'example.com/v1'], ['operator', 'Update', 'status']);
    const ownership = ownershipOf(both, { ...widgets, version: 'v1' }, true);
    expect(ownership).toMatchObject({ object: { how: 'apply', manager: 'gitops' }, statusManager: 'operator' });
    const applied = ownershipOf(managed(['x', 'Update'], ['operator', 'Apply', 'status']), widgets, true);
    expect(applied).toMatchObject({ object: { how: 'state' }, statusManager: restoreManager });
    expect(applied.object.entries).toHaveLength(2);
  });

  it('knows an object that an interrupted restore has left', () => {
    expect(isUnfinished(managed([restoreManager, 'Update']))).toBe(true);
    expect(isUnfinished(managed(['x', 'Update'], [restoreManager, 'Update', 'status']))).toBe(false);
  });

  it('follows the UIDs of owners into the field sets', () => {
    const [manager] = fieldManagers({
      metadata: {
        managedFields: [
          { manager: 'm', operation: 'Apply', fieldsV1: { 'f:metadata': { 'f:ownerReferences': { 'k:{"uid":"old-uid"}': {} } } } },
        ],
      },
    });
    const [changed] = withUids(manager === undefined ? [] : [manager], [['old-uid', 'new-uid']]);
    expect(changed?.fields).toEqual({ 'f:metadata': { 'f:ownerReferences': { 'k:{"uid":"new-uid"}': {} } } });
    expect(changed?.entry['fieldsV1']).toEqual(changed?.fields);
  });
});

import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../domain/json.ts';
import { chooseSnapshotClass } from './snapshot-class.ts';

const defaultAnnotation = 'snapshot.storage.kubernetes.io/is-default-class';

function snapshotClass(name: string, driver: string, isDefault = false): JsonObject {
  return { driver, metadata: { name, ...(isDefault && { annotations: { [defaultAnnotation]: 'true' } }) } };
}

const ebs = [snapshotClass('plain', 'ebs'), snapshotClass('standard', 'ebs', true), snapshotClass('other', 'nfs')];
const choose = (classes: readonly JsonObject[], more: { wanted?: string; configured?: Record<string, string> } = {}) =>
  chooseSnapshotClass({ driver: 'ebs', configured: {}, classes, ...more });

describe('the VolumeSnapshotClass of a claim', () => {
  it('is what its annotation says, before what is configured, before the default, before the only one', () => {
    expect(choose(ebs, { wanted: 'plain', configured: { ebs: 'standard' } })).toBe('plain');
    expect(choose(ebs, { configured: { ebs: 'plain', nfs: 'other' } })).toBe('plain');
    expect(choose(ebs)).toBe('standard');
    expect(choose([snapshotClass('plain', 'ebs'), snapshotClass('other', 'nfs', true)])).toBe('plain');
  });

  it('is none where the driver has none', () => {
    expect(choose([snapshotClass('other', 'nfs', true)])).toBeUndefined();
  });

  it.each([
    [
      'several are default',
      [snapshotClass('b', 'ebs', true), snapshotClass('a', 'ebs', true)],
      {},
      'driver ebs has several default VolumeSnapshotClasses: a, b',
    ],
    [
      'there are several and none is default',
      [snapshotClass('b', 'ebs'), snapshotClass('a', 'ebs')],
      {},
      'driver ebs has several VolumeSnapshotClasses and none is the default: a, b',
    ],
    [
      'the annotation names none that exists',
      ebs,
      { wanted: 'gone' },
      'VolumeSnapshotClass gone, which the claim’s annotation backup.holdfast.dev/snapshot-class names, does not exist',
    ],
    [
      'the configured one is of another driver',
      ebs,
      { configured: { ebs: 'other' } },
      'VolumeSnapshotClass other, which volumes.snapshotClasses for ebs names, is of driver nfs, and the volume of ebs',
    ],
  ])('is missing where %s', (_, classes, more, message) => {
    expect(() => choose(classes, more)).toThrow(expect.objectContaining({ code: 'SNAPSHOT_CLASS_MISSING', message }));
  });
});

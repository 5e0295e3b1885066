import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../domain/json.ts';
import { everything, type Selection } from '../../domain/selection.ts';
import { selectClaims } from './select.ts';

interface Shape {
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly phase?: string;
  readonly volumeMode?: string;
}

function claim(
  name: string,
  { namespace = 'agents', labels = {}, annotations = {}, phase = 'Bound', volumeMode = 'Filesystem' }: Shape = {},
): JsonObject {
  return {
    metadata: { namespace, name, labels, annotations },
    spec: {
      ...(phase !== 'Pending' && { volumeName: `pv-${name}` }),
      storageClassName: 'fast',
      volumeMode,
      accessModes: ['ReadWriteOnce'],
    },
    status: { phase, capacity: { storage: '10Gi' }, accessModes: ['ReadWriteOnce'] },
  };
}

function select(claims: readonly JsonObject[], selection: Partial<Selection> = {}) {
  const { wanted, left } = selectClaims(claims, { ...everything, ...selection });
  return { wanted: wanted.map(({ facts }) => facts.claim), left: left.map(({ claim: name, state, code }) => [name, state, code]) };
}

describe('the claims whose data is captured', () => {
  it('are those of the set: by namespace, kind and label', () => {
    const claims = [claim('a', { labels: { app: 'web' } }), claim('b', { namespace: 'other' })];
    expect(select(claims).wanted).toEqual(['a', 'b']);
    expect(select(claims, { includeNamespaces: ['ag*'] }).wanted).toEqual(['a']);
    expect(select(claims, { excludeNamespaces: ['agents'] }).wanted).toEqual(['b']);
    expect(select(claims, { labelSelector: 'app=web' }).wanted).toEqual(['a']);
    expect(select(claims, { excludeKinds: ['persistentvolumeclaims'] })).toEqual({ wanted: [], left: [] });
  });

  it('are none of our own', () => {
    expect(select([claim('holdfast-x', { labels: { 'holdfast.dev/work': 'set' } })])).toEqual({ wanted: [], left: [] });
  });

  it('are not those without data, nor those left out, which is said; a lost volume is a failure', () => {
    const annotations = { 'backup.holdfast.dev/exclude': 'true' };
    expect(select([claim('new', { phase: 'Pending' }), claim('scratch', { annotations }), claim('lost', { phase: 'Lost' })])).toEqual({
      wanted: [],
      left: [
        ['new', 'not-protected', undefined],
        ['scratch', 'not-protected', undefined],
        ['lost', 'failed', 'VOLUME_GONE'],
      ],
    });
  });

  it('come with what was read of them, and what their owner wants', () => {
    const annotations = { 'backup.holdfast.dev/method': 'live', 'backup.holdfast.dev/snapshot-class': 'slow' };
    expect(selectClaims([claim('a', { annotations, volumeMode: 'Block' })], everything).wanted).toEqual([
      {
        facts: {
          ...{ namespace: 'agents', claim: 'a', storageClass: 'fast', volumeMode: 'Block' },
          ...{ accessModes: ['ReadWriteOnce'], sizeBytes: 10 * 2 ** 30 },
        },
        ...{ mode: 'Block', accessModes: ['ReadWriteOnce'], volume: 'pv-a', method: 'live', snapshotClass: 'slow' },
      },
    ]);
  });

  it('are refused where their owner asks for what there is not', () => {
    expect(select([claim('a', { annotations: { 'backup.holdfast.dev/method': 'clone' } })]).left).toEqual([
      ['a', 'failed', 'VOLUME_UNSUPPORTED'],
    ]);
  });
});

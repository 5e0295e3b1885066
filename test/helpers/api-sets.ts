import type { Manifest } from '../../src/domain/backup-set.ts';
import { everything, type Selection } from '../../src/domain/selection.ts';
import type { SetSummary } from '../../src/repository/catalog.ts';

export interface SetOptions {
  readonly id: string;
  readonly phase?: Manifest['phase'];
  readonly selection?: Partial<Selection>;
  readonly policy?: string;
}

/** A manifest as a backup of two namespaces would have it. */
export function manifestOf({ id, phase = 'Completed', selection = {}, policy = 'platform' }: SetOptions): Manifest {
  const [stamp = '', tier = ''] = /^(\d{8}T\d{6}Z)-(.+)-[a-z0-9]{4}$/.exec(id)?.slice(1) ?? [];
  const at = stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
  return {
    formatVersion: 1,
    id,
    repository: '0123456789abcdef0123456789abcdef',
    phase,
    tier,
    fires: [{ policy, tier, at }],
    parts: [
      { part: 'resources', state: 'protected', reason: '' },
      { part: 'volumeData', state: 'not-protected', reason: '1 of 2 claims have no data: team-b/data' },
    ],
    startedAt: at,
    finishedAt: at,
    producer: { name: 'holdfast', version: '0.0.0' },
    cluster: { uid: 'b6c1', version: 'v1.37.2', server: 'https://cluster.example' },
    consistency: 'instant',
    revision: '4711',
    selection: { ...everything, ...selection },
    kinds: [
      {
        group: '',
        version: 'v1',
        resource: 'configmaps',
        kind: 'ConfigMap',
        namespaced: true,
        count: 2,
        bytes: 200,
        revision: '4711',
        consistency: 'instant',
      },
    ],
    objects: 2,
    bytes: 200,
    excluded: [{ what: 'events', reason: 'of no use later' }],
    problems: phase === 'Completed' ? [] : [{ item: 'configmaps team-a/broken', code: 'CLUSTER_ERROR', message: 'no answer' }],
    volumes: [
      { namespace: 'team-a', claim: 'data', state: 'not-protected', reason: 'not built yet' },
      { namespace: 'team-b', claim: 'data', state: 'not-protected', reason: 'not built yet' },
    ],
    shards: [{ name: 'resources-0001.tar.zst.age', class: 'resources', bytes: 100, tarBytes: 1_024, entries: 2, sha256: 'a'.repeat(64) }],
    index: [{ name: 'index-0001.ndjson.zst', bytes: 50, lines: 2, sha256: 'b'.repeat(64) }],
    encryption: { scheme: 'age', recipients: ['SHA256:cafe'], indexSealed: false },
  };
}

export function summaryOf(manifest: Manifest): Exclude<SetSummary, { phase: 'Unreadable' }> {
  const { id, startedAt, phase, tier, fires = [], finishedAt, objects, bytes, consistency, revision, cluster, selection } = manifest;
  return {
    ...{ id, startedAt, phase, tier, fires, finishedAt, objects, bytes, consistency, cluster, selection },
    ...(revision !== undefined && { revision }),
    notProtected: [],
    storedBytes: 150,
    problems: manifest.problems.length,
  };
}

import { describe, expect, it } from 'vitest';
import type { Manifest } from '../../domain/backup-set.ts';
import { everything } from '../../domain/selection.ts';
import type { SetSummary } from '../../repository/catalog.ts';
import { plainStyle as style } from '../style.ts';
import { backupDescription, selectionText } from './backup-description.ts';
import { backupList } from './backup-list.ts';
import { backupSummary } from './backup-summary.ts';

const kind = { group: '', version: 'v1', namespaced: true, consistency: 'instant', revision: '77' } as const;

const manifest: Manifest = {
  formatVersion: 1,
  id: '20261123T020000Z-daily-k3f9',
  repository: 'r1',
  phase: 'PartiallyFailed',
  tier: 'daily',
  startedAt: '2026-11-23T02:00:00.000Z',
  finishedAt: '2026-11-23T02:00:04.000Z',
  producer: { name: 'holdfast', version: '0.1.0' },
  cluster: { uid: 'u1', version: 'v1.37.2', server: 'https://cluster:6443' },
  consistency: 'instant',
  revision: '77',
  selection: everything,
  kinds: [
    { ...kind, resource: 'configmaps', kind: 'ConfigMap', count: 7, bytes: 2048 },
    { ...kind, resource: 'secrets', kind: 'Secret', count: 11, bytes: 4096 },
    { ...kind, resource: 'limitranges', kind: 'LimitRange', count: 0, bytes: 0 },
    {
      ...kind,
      group: 'example.com',
      resource: 'widgets',
      kind: 'Widget',
      count: 0,
      bytes: 0,
      revision: '',
      error: { code: 'CLUSTER_FORBIDDEN', message: 'may not list widgets' },
    },
  ],
  objects: 18,
  bytes: 6144,
  excluded: [
    { what: 'events', reason: 'a record of what happened' },
    { what: 'events.events.k8s.io', reason: 'a record of what happened' },
    { what: 'configmaps', reason: 'the cluster’s own CA', count: 3 },
  ],
  problems: [{ item: 'widgets.example.com', code: 'CLUSTER_FORBIDDEN', message: 'may not list widgets' }],
  volumes: [
    { namespace: 'agents', claim: 'workspace-a', state: 'not-protected', reason: 'volume data is not captured' },
    { namespace: 'agents', claim: 'workspace-b', state: 'captured', reason: '' },
  ],
  shards: [
    { name: 'resources-0001.tar.zst.age', class: 'resources', bytes: 1024, tarBytes: 9000, entries: 7, sha256: 'aa' },
    { name: 'secrets-0001.tar.zst.age', class: 'secrets', bytes: 512, tarBytes: 9000, entries: 11, sha256: 'bb' },
  ],
  index: [{ name: 'index-0001.ndjson.zst', bytes: 256, lines: 18, sha256: 'cc' }],
  encryption: { scheme: 'age', recipients: ['SHA256:11', 'SHA256:22'], indexSealed: false },
};

const plaintext: Manifest = { ...manifest, encryption: { scheme: 'none', recipients: [], indexSealed: false } };
const complete: Manifest = { ...manifest, phase: 'Completed', problems: [], volumes: [], excluded: [] };

const summary = (of: Manifest) => backupSummary(of, { location: 'file:///backups', durationMs: 4000, style }).join('\n');

describe('the summary of a backup', () => {
  it('says what is safe: objects, bytes, time, instant and where', () => {
    const text = summary(manifest);
    expect(text).toContain('Objects    18 objects of 2 kinds, 6.00 KiB of JSON');
    expect(text).toContain('Stored     1.75 KiB in 3 files');
    expect(text).toContain('Took       4.0s (5 objects/s)');
    expect(text).toContain('all kinds at etcd revision 77');
    expect(text).toContain('to 2 recipients');
    expect(text).toContain('file:///backups');
  });

  it('says at once that something is missing, and names each item with its reason', () => {
    const lines = summary(manifest).split('\n');
    expect(lines[0]).toBe('! PartiallyFailed  20261123T020000Z-daily-k3f9');
    expect(lines[1]).toContain('1 item could not be captured');
    expect(lines.join('\n')).toMatch(/Problems\n.*ITEM.*\n {2}widgets\.example\.com +CLUSTER_FORBIDDEN +may not list widgets/);
  });

  it('says what was left out and why, a line a reason', () => {
    expect(summary(manifest)).toMatch(/events, events\.events\.k8s\.io +- +a record of what happened/);
    expect(summary(manifest)).toMatch(/configmaps +3 +the cluster’s own CA/);
  });

  it('says which volumes are not protected', () => {
    expect(summary(manifest)).toContain('Not protected\n  ! 1 volume: volume data is not captured\n    agents/workspace-a');
    expect(summary(manifest)).not.toContain('workspace-b');
  });

  it('shouts when nothing is sealed', () => {
    expect(summary(plaintext)).toContain('NO: everything, Secrets too, lies in the clear');
  });

  it('has no empty parts', () => {
    expect(summary(complete)).not.toMatch(/Problems|Not protected|Left out/);
    expect(summary(complete).split('\n')[0]).toBe('✓ Completed  20261123T020000Z-daily-k3f9');
  });
});

describe('the description of a backup', () => {
  const text = (verified: boolean) =>
    backupDescription(manifest, { keyId: 'SHA256:99', verified }, { now: new Date('2026-11-23T05:00:00Z'), style }).join('\n');

  it('tells when it was made, and by whom it is signed as far as that is known', () => {
    expect(text(true)).toContain('2026-11-23 02:00:00Z (3h ago), took 4.0s');
    expect(text(true)).toContain('SHA256:99 (verified with your key)');
    expect(text(false)).toContain('not checked against a key of yours');
  });

  it('lists kinds by number, with those that failed, and counts the empty ones', () => {
    expect(text(true)).toMatch(/secrets +v1 +11 +4\.00 KiB\n +configmaps +v1 +7 +2\.00 KiB\n +widgets\.example\.com +v1 +0/);
    expect(text(true)).toContain('and 1 kind without objects');
  });

  it('lists files with their digests, and recipients', () => {
    expect(text(true)).toMatch(/secrets-0001\.tar\.zst\.age +11 objects +512 B +bb/);
    expect(text(true)).toContain('Recipients\n  SHA256:11\n  SHA256:22');
  });

  it('puts a selection into words', () => {
    expect(selectionText(everything)).toBe('everything');
    expect(selectionText({ ...everything, includeNamespaces: ['a*'], excludeKinds: ['jobs.batch'], labelSelector: 'app=x' })).toBe(
      'namespaces a*; without kinds jobs.batch; labels app=x',
    );
  });
});

describe('the list of backups', () => {
  const sets: SetSummary[] = [
    {
      id: manifest.id,
      startedAt: manifest.startedAt,
      finishedAt: manifest.finishedAt,
      phase: 'PartiallyFailed',
      tier: 'daily',
      fires: [],
      notProtected: [],
      selection: manifest.selection,
      objects: 12_340,
      bytes: 1,
      storedBytes: 2048,
      problems: 2,
      consistency: 'instant',
      cluster: manifest.cluster,
    },
    {
      id: '20261122T020000Z-daily-aaaa',
      startedAt: '2026-11-22T02:00:00.000Z',
      phase: 'Unreadable',
      error: { code: 'BACKUP_CORRUPT', message: 'manifest.json\x1b[2K is malformed' },
    },
  ];
  const lines = backupList(sets, new Date('2026-11-23T02:30:00Z'), style, true);

  it('shows phase, age, size and number of problems', () => {
    expect(lines[1]).toMatch(
      /^20261123T020000Z-daily-k3f9 +! PartiallyFailed +2026-11-23 02:00:00Z +30m +12,340 +2\.00 KiB +4\.0s +cluster:6443 +2$/,
    );
  });

  it('shows what is wrong with one that cannot be read', () => {
    expect(lines[2]).toMatch(/✗ Unreadable .* manifest\.json\\x1b\[2K is malformed$/);
  });
});

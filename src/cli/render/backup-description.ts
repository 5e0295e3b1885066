import type { KindRecord, Manifest } from '../../domain/backup-set.ts';
import { kindName } from '../../domain/resource.ts';
import { everything, type Selection } from '../../domain/selection.ts';
import type { VolumeRecord } from '../../domain/volume.ts';
import type { ManifestSignature } from '../../repository/manifest.ts';
import { age, count, counted, duration, printable, size, time } from '../format.ts';
import type { Style } from '../style.ts';
import { facts, table } from '../table.ts';
import { phaseText } from './backup-list.ts';
import { clusterText, instantText, problemTable, sealedText, storedText, volumeLines } from './backup-summary.ts';
import { block } from './block.ts';
import { volumeFact, volumeTable } from './volumes.ts';

export interface DescriptionOptions {
  readonly now: Date;
  readonly style: Style;
}

/** Everything that a manifest says, for people. */
export function backupDescription(manifest: Manifest, signature: ManifestSignature, { now, style }: DescriptionOptions): string[] {
  const started = Date.parse(manifest.startedAt);
  return [
    `${phaseText(manifest.phase, style)}  ${style.bold(manifest.id)}`,
    '',
    ...facts(
      [
        [
          'Created',
          `${time(manifest.startedAt)} (${age(now.getTime() - started)} ago), took ${duration(Date.parse(manifest.finishedAt) - started)}`,
        ],
        ['Tier', manifest.tier],
        ['Objects', `${counted(manifest.objects, 'object')}, ${size(manifest.bytes)} of JSON`],
        ['Stored', storedText(manifest)],
        ...volumeFact(manifest.volumes),
        ...partFacts(manifest),
        ['Instant', instantText(manifest)],
        ['Cluster', `${clusterText(manifest)}${manifest.cluster.uid === '' ? '' : `, uid ${manifest.cluster.uid}`}`],
        ['Selection', selectionText(manifest.selection)],
        ['Sealed', sealedText(manifest, style)],
        ['Signed by', signatureText(signature, style)],
        ['Written by', `${manifest.producer.name} ${printable(manifest.producer.version)}, format ${manifest.formatVersion}`],
        ['Repository', manifest.repository],
      ],
      style,
      '  ',
    ),
    ...block(style.bad('Problems'), problemTable(manifest.problems, style), style),
    ...block('Volumes', volumeTable(asked(manifest.volumes), style), style),
    ...block(style.warning('Not protected'), volumeLines(manifest.volumes, 100), style),
    ...block('Kinds', kindTable(manifest.kinds, style), style),
    ...block('Left out on purpose', exclusionTable(manifest, style), style),
    ...block('Files', fileTable(manifest, style), style),
    ...block('Recipients', manifest.encryption.recipients, style),
  ];
}

/** The others stand under what is not protected. */
function asked(volumes: readonly VolumeRecord[]): VolumeRecord[] {
  return volumes.filter(({ state }) => state !== 'not-protected');
}

/** Parts that were asked for and are not there, each with its reason. */
function partFacts({ parts = [] }: Manifest): [string, string][] {
  const missing = parts.filter(({ state }) => state === 'not-protected');
  return missing.map(({ part, reason }, i) => [i === 0 ? 'Without' : '', `${part}: ${printable(reason)}`]);
}

export function selectionText(selection: Selection): string {
  const list = (name: string, values: readonly string[]) => (values.length === 0 ? '' : `${name} ${values.join(', ')}`);
  const parts = [
    list('namespaces', selection.includeNamespaces),
    list('without namespaces', selection.excludeNamespaces),
    list('kinds', selection.includeKinds),
    list('without kinds', selection.excludeKinds),
    list('names', selection.includeNames),
    selection.labelSelector === '' ? '' : `labels ${selection.labelSelector}`,
    selection.clusterScoped === everything.clusterScoped ? '' : `cluster-scoped objects ${selection.clusterScoped}`,
  ].filter(part => part !== '');
  return parts.length === 0 ? 'everything' : printable(parts.join('; '));
}

export function signatureText({ keyId, verified }: ManifestSignature, style: Style): string {
  return `${keyId} ${verified ? style.good('(verified with your key)') : style.warning('(not checked against a key of yours: pass --signing-public-key)')}`;
}

function kindTable(kinds: readonly KindRecord[], style: Style): string[] {
  const shown = kinds.filter(kind => kind.count > 0 || kind.error !== undefined);
  const empty = kinds.length - shown.length;
  const ownRevision = shown.some(kind => kind.consistency === 'per-kind');
  const lines = table<KindRecord>(
    [
      { title: 'KIND', cell: kindName },
      { title: 'VERSION', cell: kind => kind.version },
      { title: 'OBJECTS', cell: kind => count(kind.count), align: 'right' },
      { title: 'SIZE', cell: kind => size(kind.bytes), align: 'right' },
      ...(ownRevision
        ? [
            {
              title: 'REVISION',
              cell: (kind: KindRecord) => (kind.consistency === 'per-kind' ? `${kind.revision} (its own)` : kind.revision),
            },
          ]
        : []),
    ],
    [...shown].sort((a, b) => b.count - a.count || kindName(a).localeCompare(kindName(b), 'en')),
    { style },
  );
  return empty === 0 ? lines : [...lines, style.dim(`and ${counted(empty, 'kind')} without objects`)];
}

function exclusionTable({ excluded }: Manifest, style: Style): string[] {
  return table(
    [
      { title: 'WHAT', cell: exclusion => printable(exclusion.what) },
      { title: 'OBJECTS', cell: exclusion => (exclusion.count === undefined ? '' : count(exclusion.count)), align: 'right' },
      { title: 'WHY', cell: exclusion => printable(exclusion.reason) },
    ],
    excluded,
    { style },
  );
}

function fileTable({ shards, index }: Manifest, style: Style): string[] {
  const rows = [
    ...shards.map(shard => ({ name: shard.name, holds: counted(shard.entries, 'object'), bytes: shard.bytes, sha256: shard.sha256 })),
    ...index.map(part => ({ name: part.name, holds: counted(part.lines, 'line'), bytes: part.bytes, sha256: part.sha256 })),
  ];
  return table(
    [
      { title: 'NAME', cell: row => row.name },
      { title: 'HOLDS', cell: row => row.holds, align: 'right' },
      { title: 'STORED', cell: row => size(row.bytes), align: 'right' },
      { title: 'SHA-256', cell: row => row.sha256, paint: style.dim },
    ],
    rows,
    { style },
  );
}

import type { VolumeRecord, VolumeState } from '../../domain/volume.ts';
import { count, counted, duration, printable, size } from '../format.ts';
import type { Style } from '../style.ts';
import { table } from '../table.ts';

/** `5 captured, 1 failed; 3.2 GiB read, 41 MiB of it new`; nothing where no volume was asked for. */
export function volumeFact(volumes: readonly VolumeRecord[]): [string, string][] {
  const of = (state: VolumeState) => volumes.filter(volume => volume.state === state).length;
  const [captured, failed] = [of('captured'), of('failed')];
  if (captured + failed === 0) return [];
  const data = volumes.flatMap(volume => volume.data ?? []);
  const sum = (field: 'bytes' | 'addedBytes') => data.reduce((total, one) => total + one[field], 0);
  const moved = data.length === 0 ? '' : `; ${size(sum('bytes'))} read, ${size(sum('addedBytes'))} of it new`;
  const alone = snapshotsAlone(volumes);
  return [
    ['Volumes', `${counted(captured, 'claim')} captured${failed === 0 ? '' : `, ${failed} failed`}${moved}`],
    ...(alone === undefined ? [] : [['', alone] satisfies [string, string]]),
  ];
}

/** A set says what was so when it was taken: of snapshots, the cluster keeps only the newest. */
export function snapshotsAlone(volumes: readonly VolumeRecord[]): string | undefined {
  const alone = volumes.filter(({ snapshot, data }) => snapshot?.kept !== undefined && data === undefined).length;
  return alone === 0 ? undefined : `${counted(alone, 'claim')} by a snapshot alone, which the cluster has while it is one of the newest`;
}

/** What a set has of each of these claims. */
export function volumeTable(volumes: readonly VolumeRecord[], style: Style, headers = true): string[] {
  const paints: Record<VolumeState, (text: string) => string> = { captured: style.good, failed: style.bad, 'not-protected': text => text };
  return table<VolumeRecord>(
    [
      { title: 'CLAIM', cell: ({ namespace, claim }) => printable(`${namespace}/${claim}`) },
      { title: 'STATE', cell: ({ state }) => state, paint: (text, { state }) => paints[state](text) },
      { title: 'HAS', cell: hasText },
      { title: 'CLASS', cell: ({ storageClass }) => printable(storageClass ?? '') },
      { title: 'SIZE', cell: ({ sizeBytes }) => (sizeBytes === undefined ? '' : size(sizeBytes)), align: 'right' },
      { title: 'FILES', cell: ({ data }) => (data === undefined ? '' : count(data.files)), align: 'right' },
      { title: 'READ', cell: ({ data }) => (data === undefined ? '' : size(data.bytes)), align: 'right' },
      { title: 'NEW', cell: ({ data }) => (data === undefined ? '' : size(data.addedBytes)), align: 'right' },
      { title: 'TOOK', cell: ({ data }) => (data === undefined ? '' : duration(data.durationMs)), align: 'right' },
      { title: 'WHY', cell: ({ reason }) => printable(reason) },
    ],
    volumes,
    { style, headers },
  );
}

/** `snapshot, data`; `live data` where it was read while in use. */
function hasText({ snapshot, data }: VolumeRecord): string {
  const parts = [snapshot?.kept === undefined ? '' : 'snapshot', data === undefined ? '' : data.source === 'live' ? 'live data' : 'data'];
  return parts.filter(part => part !== '').join(', ') || '-';
}

import type { PlannedVolume, VolumeOutcome } from '../../domain/volume-restore.ts';
import { count, duration, printable, size } from '../format.ts';
import type { Style } from '../style.ts';
import { table } from '../table.ts';

/** What a restore would do about the data of each claim. */
export function volumeLines(volumes: readonly PlannedVolume[], style: Style): string[] {
  return table<PlannedVolume>(
    [
      { title: 'CLAIM', cell: volume => printable(`${volume.namespace}/${volume.claim}`) },
      { title: 'ACTION', cell: volume => volume.action, paint: text => (text.trim() === 'fail' ? style.bad(text) : text) },
      { title: 'FROM', cell: volume => volume.source },
      { title: 'DATA', cell: volume => (volume.bytes === 0 ? '' : size(volume.bytes)), align: 'right' },
      { title: 'WHY', cell: volume => printable(volume.reason) },
    ],
    volumes,
    { style },
  );
}

/** What became of the data of each claim. */
export function volumeOutcomeLines(volumes: readonly VolumeOutcome[], style: Style): string[] {
  return table<VolumeOutcome>(
    [
      { title: 'CLAIM', cell: volume => printable(`${volume.namespace}/${volume.claim}`) },
      { title: 'STATE', cell: volume => volume.state, paint: text => (text.trim() === 'failed' ? style.bad(text) : text) },
      { title: 'FROM', cell: volume => volume.source },
      { title: 'DATA', cell: volume => (volume.bytes === 0 ? '' : size(volume.bytes)), align: 'right' },
      { title: 'FILES', cell: volume => (volume.files === 0 ? '' : count(volume.files)), align: 'right' },
      { title: 'TOOK', cell: volume => (volume.durationMs === 0 ? '' : duration(volume.durationMs)), align: 'right' },
      { title: 'WHY', cell: volume => printable(volume.problem?.message ?? volume.reason) },
    ],
    volumes,
    { style },
  );
}

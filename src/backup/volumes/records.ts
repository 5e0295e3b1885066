import type { ItemProblem, PartRecord } from '../../domain/backup-set.ts';
import type { HoldfastError } from '../../domain/errors.ts';
import { claimName, type VolumeRecord } from '../../domain/volume.ts';
import type { ClaimRef } from '../archive-protocol.ts';
import type { VolumeFindings } from './capture.ts';

/**
 * What the manifest says of volumes: one record a claim of the set. `captured` is undefined where nobody asked for volumes, and an error where
 * nothing could be learned of them. A claim that was gone before the set's instant is no part of the set, but what was captured of it is.
 */
export function volumeRecords(claims: readonly ClaimRef[], captured: VolumeFindings | HoldfastError | undefined): VolumeRecord[] {
  const known = new Map<string, VolumeRecord>();
  if (captured !== undefined && 'records' in captured) {
    for (const record of captured.records) known.set(`${record.namespace}/${record.claim}`, record);
  }
  const records = claims.map(({ namespace, name }): VolumeRecord => {
    const found = known.get(`${namespace}/${name}`);
    known.delete(`${namespace}/${name}`);
    if (found !== undefined) return found;
    const claim = { namespace, claim: name };
    if (captured === undefined)
      return { ...claim, state: 'not-protected', reason: 'the data of volumes was not asked for: only the claim is in the set' };
    if ('records' in captured) return { ...claim, state: 'not-protected', reason: 'the claim was made while the backup ran' };
    return { ...claim, state: 'failed', code: captured.code, reason: captured.message };
  });
  return [...records, ...[...known.values()].filter(({ state }) => state !== 'not-protected')];
}

/** Each claim that failed is an item that could not be captured. */
export function volumeProblems(records: readonly VolumeRecord[], captured: VolumeFindings | HoldfastError | undefined): ItemProblem[] {
  const claims = records.flatMap((record): ItemProblem[] =>
    record.state === 'failed' ? [{ item: claimName(record), code: record.code ?? 'INTERNAL', message: record.reason }] : [],
  );
  return [...claims, ...(captured !== undefined && 'problems' in captured ? captured.problems : [])];
}

const mostNamed = 5;

/** A part is protected when every claim that has data has it; claims that were left out on purpose do not count. */
export function volumePart(part: 'volumeSnapshots' | 'volumeData', records: readonly VolumeRecord[]): PartRecord {
  const field = part === 'volumeSnapshots' ? 'snapshot' : 'data';
  const wanted = records.filter(({ state }) => state !== 'not-protected');
  const without = wanted.filter(record => (part === 'volumeSnapshots' ? record.snapshot?.kept : record.data) === undefined);
  if (without.length === 0) return { part, state: 'protected', reason: '' };
  const names = without.slice(0, mostNamed).map(({ namespace, claim }) => `${namespace}/${claim}`);
  const more = without.length > mostNamed ? ` and ${without.length - mostNamed} more` : '';
  const reason = `${without.length} of ${wanted.length} claims have no ${field}: ${names.join(', ')}${more}`;
  return { part, state: 'not-protected', reason };
}

import type { Progress, ProgressEvent } from '../../domain/runtime.ts';
import type { WantedClaim } from './select.ts';

/** One line of progress for all claims: how many are done, how many bytes were read, and what was worked on last. */
export function volumeProgress(
  wanted: readonly WantedClaim[],
  progress: Progress,
): { readonly progress: Progress; done(claim: string): void } {
  const bytesOf = new Map<string, number>();
  let done = 0;
  const tell = (detail: string) => {
    const bytes = [...bytesOf.values()].reduce((sum, one) => sum + one, 0);
    progress({ phase: 'volumes', detail, objects: done, totalObjects: wanted.length, ...(bytes > 0 && { bytes }) });
  };
  if (wanted.length > 0) tell(`${wanted.length} claims`);
  return {
    progress: ({ detail = '', bytes = 0 }: ProgressEvent) => {
      // A mover that is tried again begins anew; what is shown only grows.
      bytesOf.set(detail, Math.max(bytes, bytesOf.get(detail) ?? 0));
      tell(detail);
    },
    done: claim => {
      done += 1;
      tell(claim);
    },
  };
}

import type { MoverRequest } from '../domain/mover.ts';

export type RestoreRequest = Extract<MoverRequest, { action: 'restore' }>;

export interface Restored {
  readonly files: number;
  readonly bytes: number;
  readonly occupied?: true;
}

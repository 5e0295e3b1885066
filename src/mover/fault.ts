import type { MoverFailure } from '../domain/mover.ts';

/** Why a mover cannot do what it was asked for; becomes its result. */
export class MoverFault extends Error {
  readonly code: MoverFailure;

  constructor(code: MoverFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MoverFault';
    this.code = code;
  }
}

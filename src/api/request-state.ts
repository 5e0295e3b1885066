import type { Caller } from './service.ts';

/** What the server knows of a request while it is under way. */
export interface RequestState {
  /** Who makes it, once that is known. */
  caller?: Caller;
  /** The identity that came with it, until a handler takes it over; wiped when the request ends. */
  identity?: Uint8Array;
}

declare module 'fastify' {
  interface FastifyRequest {
    held: RequestState;
  }
}

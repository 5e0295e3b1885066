import { WebSocket } from 'undici';

type Options = Exclude<ConstructorParameters<typeof WebSocket>[1], string | string[] | undefined>;

/** In a file of its own, loaded when it is wanted: all of fetch comes with it. */
export function openWebSocket(url: string, options: Options): WebSocket {
  return new WebSocket(url, options);
}

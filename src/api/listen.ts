import type { RequestListener } from 'node:http';
import { createEventHub } from './events/hub.ts';
import { type ApiLimits, defaultLimits } from './limits.ts';
import { type ApiPlace, type Listener, openListener, requirePrivacy } from './listener.ts';
import { replaceListener } from './replace-listener.ts';
import { type ApiOptions, createApiServer } from './server.ts';

/** What is served, and to whom. */
export type ServedOptions = Omit<ApiOptions, 'hub'>;

export interface ListenOptions extends ServedOptions, ApiPlace {
  readonly onWarning: (text: string) => void;
}

export interface ListeningApi {
  /** `https://127.0.0.1:8443` */
  readonly url: string;
  readonly openStreams: () => number;
  /** Makes everything by other options and serves nothing of it before the call of what it resolves with. Then requests under way end as they began; connections and event streams go on. */
  prepare(options: ServedOptions): Promise<() => void>;
  /**
   * Serves at another place, or by another certificate. What is under way at the place of before has ten seconds to end, event streams end at
   * once. CONFIG_INVALID, and the place stays.
   */
  move(place: ApiPlace): Promise<void>;
  /** Who reads on comes back, and is asked anew who they are. */
  endStreams(): void;
  /** Ends within `graceMs` (10,000 unless told): requests that are still under way are cut then. */
  close(graceMs?: number): Promise<void>;
}

const defaultGraceMs = 10_000;

/** Serves the API. CONFIG_INVALID when it would be plain HTTP where others can listen, or the certificate or the address cannot be used. */
export async function listenApi(options: ListenOptions): Promise<ListeningApi> {
  const { host, port, tls, insecureHttp, onWarning, ...first } = options;
  requirePrivacy(options);
  const { runtime } = first;
  let limits: ApiLimits = { ...defaultLimits, ...first.limits };
  const hub = createEventHub(limits, runtime);
  let current = await createApiServer({ ...first, hub });
  let unsubscribe = first.service.subscribe(hub.publish);
  const answer: RequestListener = (request, response) => current.app.routing(request, response);
  const open = (place: ApiPlace) => openListener(place, { limits, answer, runtime, onWarning });
  const leave = (left: Listener) => {
    hub.endStreams();
    void left.close(defaultGraceMs);
  };
  let listener = await open({ host, port, tls, insecureHttp });

  const replace = async (place: ApiPlace): Promise<void> => {
    const before = listener;
    const { now, refused } = await replaceListener(before, {
      open: () => open(place),
      leave: () => leave(before),
      reopen: () => open({ ...before.place, port: before.port }),
      isInTheWay: place.port === before.port,
    });
    listener = now;
    if (refused !== undefined) throw refused;
  };

  return {
    get url() {
      return listener.url;
    },
    openStreams: () => hub.open,
    prepare: async next => {
      const made = await createApiServer({ ...next, hub });
      return () => {
        const before = current;
        current = made;
        unsubscribe();
        unsubscribe = next.service.subscribe(hub.publish);
        limits = { ...defaultLimits, ...next.limits };
        listener.limit(limits);
        void before.close();
      };
    },
    move: async place => {
      requirePrivacy(place);
      const { host, port, tls } = listener.place;
      const isSameAddress = place.host === host && place.port === port;
      if (isSameAddress && place.tls?.certFile === tls?.certFile && place.tls?.keyFile === tls?.keyFile) return;
      if (isSameAddress && place.tls !== undefined && tls !== undefined) await listener.certify(place.tls);
      else await replace(place);
    },
    endStreams: hub.endStreams,
    close: async (graceMs = defaultGraceMs) => {
      unsubscribe();
      hub.close();
      await Promise.all([listener.close(graceMs), current.close()]);
    },
  };
}

/** What one server lets its clients use. */
export interface ApiLimits {
  /** Bytes of a request’s body. */
  readonly bodyBytes: number;
  /** Bytes of a request’s headers. */
  readonly headerBytes: number;
  /** For the headers of a request to arrive. */
  readonly headersMs: number;
  /** For a whole request to arrive. */
  readonly requestMs: number;
  /** For a request to be answered. */
  readonly handlerMs: number;
  /** For one that plans a restore. */
  readonly slowHandlerMs: number;
  /** Connections at a time, event streams included. */
  readonly connections: number;
  /** Requests a minute of one user, whatever the address. */
  readonly requestsPerMinute: number;
  readonly requestsPerSecond: number;
  /** Requests a minute of one address without a token that is known; so many are looked at at a time, too. */
  readonly failuresPerMinute: number;
  /** Event streams at a time. Measured: 30 KiB each, 90 KiB behind TLS. */
  readonly streams: number;
  readonly streamsPerUser: number;
  /** After this an event stream ends, so that its token is verified anew. */
  readonly streamMs: number;
  readonly keepAliveMs: number;
  /** Bytes that may wait for one slow reader before it is cut off. */
  readonly streamBufferBytes: number;
  /** Events kept for readers that come back. */
  readonly eventsKept: number;
}

export const defaultLimits: ApiLimits = {
  bodyBytes: 1024 * 1024,
  headerBytes: 32 * 1024,
  headersMs: 10_000,
  requestMs: 30_000,
  handlerMs: 30_000,
  slowHandlerMs: 300_000,
  connections: 4_096,
  requestsPerMinute: 1_200,
  requestsPerSecond: 200,
  failuresPerMinute: 120,
  streams: 2_000,
  streamsPerUser: 200,
  streamMs: 15 * 60_000,
  keepAliveMs: 15_000,
  streamBufferBytes: 64 * 1024,
  eventsKept: 1_024,
};

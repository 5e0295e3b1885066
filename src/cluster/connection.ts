/** Who we are towards the API server, as of now. Client certificates from a plugin may change from one call to the next. */
export interface Credentials {
  /** `authorization`, `impersonate-user`, `impersonate-group`. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** PEM of the client certificate and its key. */
  readonly cert?: string;
  readonly key?: string;
}

/** Where a cluster is and how one signs in to it; holds no sockets. */
export interface Connection {
  /** `https://host:6443`, without a slash at the end; it may have a path, behind a proxy such as Rancher's. */
  readonly server: string;
  /** For messages: the context's name, or `in-cluster`. */
  readonly context: string;
  /** The context's namespace; `default` when it names none. */
  readonly namespace: string;
  readonly tls: {
    /** PEM; the system's roots when absent. */
    readonly ca?: string;
    readonly servername?: string;
    readonly insecure?: boolean;
  };
  readonly proxyUrl?: string;

  /** Read at every call and cheap: token files are read again when they may have changed, plugins run again when their answer expires. */
  credentials(): Promise<Credentials>;

  /** After a 401: forgets what is cached. False when asking again cannot give anything else. */
  renew(): boolean;
}

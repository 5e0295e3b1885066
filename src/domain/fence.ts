/** Says whether this process may still write, or whether another one may have taken its place. */
export interface Fence {
  /** NOT_LEADER once another may lead. Reads a clock and nothing else, so that it can stand before every write. */
  check(): void;
}

/** Where text goes: stdout, stderr, or a test's memory. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Width in characters, where it is a terminal. */
  readonly columns?: number;
}

/** What a command has of the process it runs in. */
export interface Terminal {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  /** Asks on the terminal and waits for the line typed; undefined where nobody is there to answer. */
  readonly ask?: (question: string, signal: AbortSignal) => Promise<string>;
}

/** Width to lay text out for; some terminals say 0 when they do not know. */
export function columnsOf(stream: TextStream, otherwise: number): number {
  return stream.columns === undefined || stream.columns <= 0 ? otherwise : stream.columns;
}

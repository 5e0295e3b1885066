import type { Terminal, TextStream } from './terminal.ts';

interface ProcessStreams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/**
 * The process's own streams. A reader that went away (`| head`) ends the writing quietly, not the work. `flush` resolves to what kept the
 * output from being written, such as a full disk.
 */
export function processTerminal({ stdin, stdout, stderr }: ProcessStreams): Terminal & { flush(): Promise<string | undefined> } {
  const out = quiet(stdout);
  const err = quiet(stderr);
  const canAsk = stdin.isTTY === true && stderr.isTTY === true;
  return {
    stdout: out.stream,
    stderr: err.stream,
    ...(canAsk ? { ask: (question: string, signal: AbortSignal) => ask(stdin, stderr, question, signal) } : {}),
    flush: async () => {
      const [unwritten] = await Promise.all([out.flush(), err.flush()]);
      return unwritten;
    },
  };
}

function quiet(target: NodeJS.WriteStream): { stream: TextStream; flush(): Promise<string | undefined> } {
  let broken = false;
  let failure: string | undefined;
  target.on('error', (thrown: NodeJS.ErrnoException) => {
    broken = true;
    if (thrown.code !== 'EPIPE') failure ??= thrown.message;
  });
  // A getter for the width, because a terminal's size changes.
  const stream: TextStream = Object.create(target, {
    write: { value: (text: string) => broken || target.write(text) },
  }) as TextStream;
  // An error is told after the write that it is of, and so by the next turn of the loop.
  const flush = async () => {
    if (!broken) await new Promise<void>(resolve => target.write('', () => setImmediate(resolve)));
    return failure;
  };
  return { stream, flush };
}

async function ask(stdin: NodeJS.ReadStream, stderr: NodeJS.WriteStream, question: string, signal: AbortSignal): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: stdin, output: stderr });
  try {
    return await lines.question(question, { signal });
  } catch (thrown) {
    // What is said next belongs on a line of its own.
    stderr.write('\n');
    throw thrown;
  } finally {
    lines.close();
  }
}

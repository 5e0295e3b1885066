import type { Terminal, TextStream } from './terminal.ts';

interface ProcessStreams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** The process's own streams. A reader that went away (`| head`) ends the writing quietly, not the work. */
export function processTerminal({ stdin, stdout, stderr }: ProcessStreams): Terminal & { flush(): Promise<void> } {
  const out = quiet(stdout);
  const err = quiet(stderr);
  const canAsk = stdin.isTTY === true && stderr.isTTY === true;
  return {
    stdout: out.stream,
    stderr: err.stream,
    ...(canAsk ? { ask: (question: string, signal: AbortSignal) => ask(stdin, stderr, question, signal) } : {}),
    flush: async () => {
      await Promise.all([out.flush(), err.flush()]);
    },
  };
}

function quiet(target: NodeJS.WriteStream): { stream: TextStream; flush(): Promise<void> } {
  let broken = false;
  target.on('error', () => {
    broken = true;
  });
  // A getter for the width, because a terminal's size changes.
  const stream: TextStream = Object.create(target, {
    write: { value: (text: string) => broken || target.write(text) },
  }) as TextStream;
  return { stream, flush: () => new Promise(resolve => (broken ? resolve() : target.write('', () => resolve()))) };
}

async function ask(stdin: NodeJS.ReadStream, stderr: NodeJS.WriteStream, question: string, signal: AbortSignal): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: stdin, output: stderr });
  try {
    return await lines.question(question, { signal });
  } finally {
    lines.close();
  }
}

import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { styleText } from 'node:util';

const root = resolve(import.meta.dirname, '../..');

export interface Ran {
  readonly seconds: number;
  /** Kept with `quiet` only. */
  readonly stdout: string;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  readonly quiet?: boolean;
  /** Beside this process’s own: credentials belong there, and not among arguments. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the real command as a person would, showing the command line and everything it prints. Throws where it exits with anything else than 0. */
export async function holdfast(args: readonly string[], options: RunOptions): Promise<Ran> {
  if (options.quiet !== true) console.log(styleText('cyan', `   $ holdfast ${args.map(shorten).join(' ')}`));
  const began = performance.now();
  const child = spawn(resolve(root, 'bin/holdfast'), [...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    signal: options.signal,
  });
  let stdout = '';
  if (options.quiet === true) child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  else indent(child.stdout);
  indent(child.stderr);
  const exit = await new Promise<number>((done, fail) => {
    child.once('error', fail);
    child.once('close', code => done(code ?? 1));
  });
  if (exit !== 0) throw new Error(`holdfast ${args.slice(0, 2).join(' ')} ended with exit code ${exit}`);
  return { seconds: (performance.now() - began) / 1000, stdout };
}

/** Paths of temporary files say nothing to the reader. */
function shorten(argument: string): string {
  return argument.replace(/\/\S*\/holdfast-demo-\w+\//, '…/').replace(/\/\S*\/([\w.-]*kubeconfig[\w.-]*)$/, '…/$1');
}

function indent(stream: NodeJS.ReadableStream): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) console.log(`     ${line}`);
  });
  stream.on('end', () => {
    if (rest !== '') console.log(`     ${rest}`);
  });
}

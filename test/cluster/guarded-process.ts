import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';

/**
 * The guard is the server's parent and holds one end of a pipe whose other end only this process has. A line in the pipe is a signal
 * to pass on; its closing, also by kill -9 of this process, ends the server. Descriptor 3 because a shell gives its background
 * commands an empty standard input.
 */
const guardScript = `
"$@" 3<&- </dev/null &
server=$!
{ while read -r signal <&3; do kill -s "$signal" $server; done; kill -s KILL $server; } 2>/dev/null >&2 &
reader=$!
wait $server
code=$?
kill -s KILL $reader 2>/dev/null
exit $code`;

/** A server under a guard: it never outlives the process that started it. */
export interface GuardedProcess {
  readonly name: string;
  readonly logFile: string;
  /** Resolves with the exit code once the server is gone. */
  readonly exited: Promise<number>;
  running(): boolean;
  /** The last lines of its log, for an error message. */
  logTail(lines?: number): Promise<string>;
  /** SIGTERM, then SIGKILL when it is not gone after `graceMs`; may be called twice. */
  stop(graceMs?: number): Promise<void>;
}

export interface GuardedCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Takes standard output and error, appended. */
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Starts the command; it is told to end when `stop` is called, and killed when this process dies in whatever way. */
export async function startGuarded(command: GuardedCommand): Promise<GuardedProcess> {
  const log = await open(command.logFile, 'a');
  try {
    const guard = spawn('/bin/sh', ['-c', guardScript, command.name, command.command, ...command.args], {
      cwd: command.cwd,
      env: { ...process.env, ...command.env },
      stdio: ['ignore', log.fd, log.fd, 'pipe'],
      // Its own process group: Ctrl+C in the terminal must reach the test first, which then stops its servers in order.
      detached: true,
    });
    await once(guard, 'spawn');
    return guarded(command, guard);
  } finally {
    await log.close();
  }
}

function guarded(command: GuardedCommand, guard: ChildProcess): GuardedProcess {
  const pipe = guard.stdio[3] as NodeJS.WritableStream;
  pipe.on('error', () => {}); // the server may be gone before a signal is written
  let code: number | undefined;
  const exited = new Promise<number>(resolve =>
    guard.once('exit', status => {
      code = status ?? 1;
      resolve(code);
    }),
  );
  return {
    name: command.name,
    logFile: command.logFile,
    exited,
    running: () => code === undefined,
    logTail: lines => tailOf(command.logFile, lines),
    stop: async (graceMs = 15_000) => {
      if (code !== undefined) return;
      pipe.write('TERM\n');
      const timer = setTimeout(() => pipe.end(), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

async function tailOf(file: string, lines = 20): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

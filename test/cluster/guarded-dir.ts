import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Tries for a while: servers in the directory are dying at the same time and may still write to it. */
const removeScript = `
n=0
while [ -e "$1" ] && [ $n -lt 50 ]; do rm -rf "$1" 2>/dev/null; n=$((n+1)); [ -e "$1" ] && sleep 0.1; done`;

/** Goes on when the pipe says so or closes, which the end of this process does in whatever way. */
const guardScript = `
trap '' INT TERM HUP
read -r word`;

/** A temporary directory that is removed also when this process is killed. */
export interface GuardedDir {
  readonly path: string;
  /** May be called twice. */
  remove(): Promise<void>;
}

/**
 * Makes a directory `<prefix>XXXXXX` below the system's directory for temporary files, mode 0700. The shell commands `before` give back
 * what else is held for it, with its path as `$1`; they run before the directory is removed, also when this process is killed.
 */
export async function makeGuardedDir(prefix: string, before = ''): Promise<GuardedDir> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  const script = [guardScript, before, removeScript].join('\n');
  const guard = spawn('/bin/sh', ['-c', script, 'guard', path], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  await once(guard, 'spawn');
  guard.stdin.on('error', () => {});
  const gone = once(guard, 'exit');
  // A test that forgets its cluster must still be able to end; the pipe's closing then cleans up.
  guard.unref();
  return {
    path,
    remove: async () => {
      guard.ref();
      if (!guard.stdin.writableEnded) guard.stdin.end('remove\n');
      await gone;
    },
  };
}

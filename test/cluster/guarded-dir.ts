import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Tries for a while: servers in the directory are dying at the same time and may still write to it. */
const guardScript = `
trap '' INT TERM HUP
read -r word
[ "$word" = done ] && exit 0
n=0
while [ -e "$1" ] && [ $n -lt 50 ]; do rm -rf "$1" 2>/dev/null; n=$((n+1)); [ -e "$1" ] && sleep 0.1; done`;

/** A temporary directory that is removed also when this process is killed. */
export interface GuardedDir {
  readonly path: string;
  /** May be called twice. */
  remove(): Promise<void>;
}

/** Makes a directory `<prefix>XXXXXX` below the system's directory for temporary files, mode 0700. */
export async function makeGuardedDir(prefix: string): Promise<GuardedDir> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  const guard = spawn('/bin/sh', ['-c', guardScript, 'guard', path], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  await once(guard, 'spawn');
  guard.stdin.on('error', () => {});
  // A test that forgets its cluster must still be able to end; the pipe's closing then cleans up.
  guard.unref();
  return {
    path,
    remove: async () => {
      await rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
      if (!guard.stdin.writableEnded) guard.stdin.end('done\n');
    },
  };
}

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { startGuarded } from './guarded-process.ts';
import { findProgram, searchPath } from './system-programs.ts';
import { tempDir } from './temp-dir.ts';
import { waitForServer } from './wait.ts';

const run = promisify(execFile);

/** Programs that it takes, besides root. */
export const enginePrograms = ['dockerd', 'docker', 'containerd', 'runc', 'unshare'] as const;

/** A Docker engine of its own: nothing of it is seen at the machine’s usual socket, and nothing is left of it. */
export interface DockerEngine {
  /** What `docker …` prints; fails with what it says in trouble. */
  docker(...words: readonly string[]): Promise<string>;
  /** The same with standard input. */
  dockerFrom(input: Readable, ...words: readonly string[]): Promise<void>;
  /** What it writes, as it comes. */
  dockerTo<T>(read: (output: Readable) => Promise<T>, ...words: readonly string[]): Promise<T>;
  stop(): Promise<void>;
}

/** In namespaces of processes and mounts: with the first process all containers and mounts are gone, after `kill -9` of the test too. */
const space = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];

/** Builds reach the network as this machine does; there is none else. */
export async function startDockerEngine(): Promise<DockerEngine> {
  const dir = await tempDir('engine');
  for (const folder of ['data', 'exec']) await mkdir(join(dir, folder));
  const host = `unix://${join(dir, 'docker.sock')}`;
  // Lowering the score takes a right that root in a container lacks.
  const own = ['--host', host, '--pidfile', join(dir, 'pid'), '--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec')];
  const network = ['--bridge', 'none', '--iptables=false', '--ip-masq=false', '--ip-forward=false'];
  const environment = { ...(process.env as Record<string, string>), PATH: searchPath(), DOCKER_BUILDKIT: '0', DOCKER_CONFIG: dir };
  const server = await startGuarded({
    name: 'dockerd',
    command: 'unshare',
    args: [...space, programFor('dockerd'), ...own, ...network, '--oom-score-adjust', '0'],
    logFile: join(dir, 'dockerd.log'),
    env: environment,
  });
  const client = programFor('docker');
  const docker = async (...words: readonly string[]): Promise<string> => {
    const { stdout } = await run(client, ['--host', host, ...words], { env: environment, maxBuffer: 64 << 20 }).catch(
      (thrown: Error & { stdout?: string; stderr?: string }) => {
        throw new Error(`docker ${words.join(' ')}: ${`${thrown.stdout}\n${thrown.stderr}`.trim().slice(-4_000)}`);
      },
    );
    return stdout.trim();
  };
  try {
    await waitForServer(server, async () => (await docker('version', '--format', '{{.Server.Version}}')) !== '', { timeoutMs: 60_000 });
  } catch (thrown) {
    await server.stop(0);
    throw thrown;
  }
  const start = (words: readonly string[], stdio: ['pipe', 'ignore', 'inherit'] | ['ignore', 'pipe', 'inherit']) => {
    const child = spawn(client, ['--host', host, ...words], { env: environment, stdio });
    const ended = (once(child, 'close') as Promise<[number]>).then(([code]) => {
      if (code !== 0) throw new Error(`docker ${words.join(' ')}: exit code ${code}`);
    });
    ended.catch(() => {});
    return { child, ended };
  };
  return {
    docker,
    dockerFrom: async (input, ...words) => {
      const { child, ended } = start(words, ['pipe', 'ignore', 'inherit']);
      await Promise.all([child.stdin && pipeline(input, child.stdin), ended]);
    },
    dockerTo: async (read, ...words) => {
      const { child, ended } = start(words, ['ignore', 'pipe', 'inherit']);
      if (child.stdout === null) throw new Error('docker has no output');
      const [result] = await Promise.all([read(child.stdout), ended]);
      return result;
    },
    stop: () => server.stop(20_000),
  };
}

function programFor(name: string): string {
  const path = findProgram(name, searchPath());
  if (path === undefined) throw new Error(`${name} is not installed`);
  return path;
}

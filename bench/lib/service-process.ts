import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../test/cluster/ports.ts';
import { command } from './compile.ts';
import type { Bench } from './context.ts';
import { startProgram } from './program.ts';

/** `USER_HZ`, which Linux has fixed for what it shows to programs. */
const ticksPerSecond = 100;
const lookMs = 10;
const readyWithinMs = 600_000;
const token = 'bench-token-0123456789';

export interface ServiceSettings {
  readonly kubeconfig: string;
  /** With the endpoint and all, as `location` of a configuration. */
  readonly location: string;
  readonly keysDir: string;
  readonly policies: object;
  readonly retentionSchedule: string;
  /** `volumes` of a configuration. */
  readonly volumes?: object;
  /** What the store asks for. */
  readonly env: Readonly<Record<string, string>>;
}

/** `holdfast serve`, ready. */
export interface RunningService {
  /** `http://127.0.0.1:…/api/v1` */
  readonly url: string;
  readonly token: string;
  /** Milliseconds from the start of the process to the first `/readyz` that says ready. */
  readonly readyMs: number;
  usage(): Promise<Usage>;
  /** From now on `peak` counts anew. */
  resetPeak(): Promise<void>;
  /** Waits until its log has this message. */
  said(message: string): Promise<void>;
  /** In order, as by Kubernetes. */
  stop(): Promise<void>;
}

export interface Usage {
  /** Bytes. */
  readonly resident: number;
  readonly peak: number;
  /** User and system time since its start. */
  readonly cpuSeconds: number;
}

/** Starts the compiled service with its limits of rates out of the way, and waits until it is ready. */
export async function startService(bench: Bench, settings: ServiceSettings): Promise<RunningService> {
  bench.signal.throwIfAborted();
  const [port, config] = [await freePort(), join(bench.dir, `serve-${randomUUID().slice(0, 8)}.json`)];
  const tokensFile = join(bench.dir, 'tokens');
  await writeFile(tokensFile, `${token},bench,bench\n`, { mode: 0o600 });
  await writeFile(config, JSON.stringify(configOf(settings, port, tokensFile)));
  const startedAt = performance.now();
  const program = await startProgram({
    ...{ name: 'serve', command, args: ['serve', '--config', config], dir: bench.dir, env: settings.env },
    signal: bench.signal,
  });
  const log = () => readFile(program.process.logFile, 'utf8');
  const until = async (what: string, ask: () => Promise<boolean>, everyMs: number) => {
    for (const end = performance.now() + readyWithinMs; !(await ask()); await sleep(everyMs, undefined, { signal: bench.signal })) {
      if (program.process.running() && performance.now() < end) continue;
      throw new Error(`the service ${what}:\n${await program.process.logTail(20)}`);
    }
  };
  try {
    await until('is not ready', () => isReady(port), lookMs);
    const readyMs = performance.now() - startedAt;
    return {
      ...{ url: `http://127.0.0.1:${port}/api/v1`, token, readyMs },
      usage: () => usageOf(program.pid),
      // Resets the kernel’s high-water mark (proc(5)).
      resetPeak: () => writeFile(`/proc/${program.pid}/clear_refs`, '5'),
      said: message => until(`does not say ${message}`, async () => (await log()).includes(message), 100),
      stop: async () => {
        await program.process.stop(30_000);
      },
    };
  } catch (thrown) {
    await program.process.stop(5_000);
    throw thrown;
  }
}

function configOf(
  { kubeconfig, location, keysDir, policies, retentionSchedule, volumes }: ServiceSettings,
  port: number,
  tokensFile: string,
): object {
  return {
    ...{ location, keysDir, kubeconfig, policies },
    ...(volumes !== undefined && { volumes }),
    service: {
      listen: `127.0.0.1:${port}`,
      metricsListen: '127.0.0.1:0',
      insecureHttp: true,
      auth: { tokenReview: { audiences: [] }, tokensFile },
      authorization: { mode: 'roles', roles: { operator: { users: ['bench'] }, restorer: { users: ['bench'] } } },
      rateLimit: { perMinute: 1_000_000, perSecond: 100_000 },
      retention: { schedule: retentionSchedule },
    },
  };
}

async function isReady(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
  await answer?.arrayBuffer();
  return answer?.ok ?? false;
}

async function usageOf(pid: number): Promise<Usage> {
  const [status, stat] = await Promise.all([readFile(`/proc/${pid}/status`, 'utf8'), readFile(`/proc/${pid}/stat`, 'utf8')]);
  const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
  // The name before the last bracket may hold anything; user and system time are fields 14 and 15 (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { resident: bytes('VmRSS'), peak: bytes('VmHWM'), cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond };
}

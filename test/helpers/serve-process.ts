import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { waitFor } from '../cluster/wait.ts';
import { mainFile } from './command.ts';

/** They come with addresses. */
const addressMessages = ['serving', 'serving at other addresses', 'waiting for the location'];
const laterFile = resolve(import.meta.dirname, 'serve-later.ts');

/** Of the callers that the configuration below knows. */
export const tokens = { alice: 'alice-token-0123456789', victor: 'victor-token-0123456789' } as const;

export interface ServeOptions {
  /** Folder for the configuration file; made by the caller. */
  readonly dir: string;
  readonly name: string;
  readonly kubeconfig: string;
  readonly location: string;
  readonly keysDir: string;
  /** As in production: one that has much to do on a slow machine keeps the lead, and whoever follows a killed one waits for it. */
  readonly patient?: boolean;
  /** More of the file, YAML; indented by two, of `service`. */
  readonly more?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Its clock is ahead by so much, milliseconds. */
  readonly aheadMs?: number;
  /** What it has to say before it is handed out: that it serves, unless told. */
  readonly until?: 'serving' | 'waiting for the location';
}

/** `holdfast serve` as a process of its own. */
export interface Served {
  /** Where it said last that it serves, or waits. */
  readonly url: string;
  readonly metricsUrl: string;
  readonly pid: number;
  readonly configFile: string;
  /** All that it wrote so far. */
  log(): string;
  /** The log line with this message; waits for it. */
  said(message: string, timeoutMs?: number): Promise<Record<string, unknown>>;
  get<T = Record<string, unknown>>(path: string, token?: string): Promise<T>;
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  signal(name: NodeJS.Signals): void;
  /** The exit code; undefined when a signal ended it. */
  readonly exited: Promise<number | undefined>;
}

/** Of each service its own: one that is written anew is empty for a moment, and a service that looks right then knows nobody. */
export function tokensFileOf({ dir, name }: Pick<ServeOptions, 'dir' | 'name'>): string {
  return join(dir, `${name}.tokens`);
}

export async function writeServeConfig(options: ServeOptions): Promise<string> {
  const file = join(options.dir, `${options.name}.yaml`);
  const tokensFile = tokensFileOf(options);
  await writeFile(tokensFile, `${tokens.alice},alice,ops\n${tokens.victor},victor,watchers\n`, { mode: 0o600 });
  await writeFile(
    file,
    `location: ${options.location}
keysDir: ${options.keysDir}
kubeconfig: ${options.kubeconfig}
service:
  listen: 127.0.0.1:0
  metricsListen: 127.0.0.1:0
  insecureHttp: true
  auth: {tokenReview: {audiences: []}, tokensFile: ${tokensFile}}
  authorization:
    mode: roles
    roles: {viewer: {groups: [watchers]}, operator: {users: [alice]}, restorer: {users: [alice]}}
  leaderElection: ${options.patient === true ? '{leaseDuration: 15s, renewDeadline: 10s, retryPeriod: 2s}' : '{leaseDuration: 10s, renewDeadline: 8s, retryPeriod: 500ms}'}
  catalogRefresh: 1s
${options.more ?? ''}`,
  );
  return file;
}

export async function startServe(options: ServeOptions): Promise<Served> {
  const configFile = await writeServeConfig(options);
  return serveFrom({ ...options, configFile });
}

/** The same with a file that is there already. */
export async function serveFrom(
  options: Pick<ServeOptions, 'name' | 'env' | 'aheadMs' | 'until'> & { readonly configFile: string },
): Promise<Served> {
  const { configFile, aheadMs, until = 'serving' } = options;
  const program = aheadMs === undefined ? [mainFile, 'serve', '--config', configFile] : [laterFile, configFile, String(aheadMs)];
  const child = spawn(process.execPath, program, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1', POD_NAME: options.name, ...options.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines: string[] = [];
  createInterface({ input: child.stderr! }).on('line', line => lines.push(line));
  const exited = exitOf(child);
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  const said = (message: string, timeoutMs = 90_000) =>
    waitFor(
      `${options.name} says ${JSON.stringify(message)}`,
      async () => {
        const found = lines.flatMap(parsed).findLast(line => line['msg'] === message);
        if (found === undefined && ended) throw new Error(`${options.name} ended:\n${lines.slice(-20).join('\n')}`);
        return found;
      },
      { timeoutMs, intervalMs: 50 },
    );
  await said(until);
  const addresses = () =>
    lines.flatMap(parsed).findLast(({ msg }) => addressMessages.includes(String(msg))) as {
      api: string;
      metrics: string;
    };
  const call = (method: string, path: string, body: unknown, headers: Record<string, string>) =>
    fetch(`${addresses().api}/api/v1/${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000),
    });
  return {
    ...{ pid: child.pid!, configFile, said, exited },
    get url() {
      return addresses().api;
    },
    get metricsUrl() {
      return addresses().metrics;
    },
    log: () => lines.join('\n'),
    get: async <T>(path: string, token: string = tokens.alice) => {
      const response = await call('GET', path, undefined, { authorization: `Bearer ${token}` });
      if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
    send: (method, path, body, headers = {}) => call(method, path, body, { authorization: `Bearer ${tokens.alice}`, ...headers }),
    signal: name => void child.kill(name),
  };
}

function exitOf(child: ChildProcess): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', code => resolve(code ?? undefined));
  });
}

function parsed(line: string): Record<string, unknown>[] {
  try {
    return [JSON.parse(line) as Record<string, unknown>];
  } catch {
    return [];
  }
}

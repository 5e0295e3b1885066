import { type ChildProcess, spawn } from 'node:child_process';
import type { RequestOptions } from 'node:https';
import type { User } from '@kubernetes/client-node';
import { HoldfastError } from '../domain/errors.ts';
import { isObject, type JsonObject, stringAt } from '../domain/json.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { Connection, Credentials } from './connection.ts';
import type { Authentication } from './credentials.ts';
import { type Entry, invalid, pathIn } from './kubeconfig-file.ts';

interface PluginUser {
  readonly user: Entry;
  readonly name: string;
  readonly server: string;
  readonly tls: Connection['tls'];
  readonly headers: Credentials['headers'];
  /** How long the plugin may take, milliseconds; a minute when absent. */
  readonly timeoutMs: number | undefined;
}

/** What client-node's authenticators have in common: they write headers, and perhaps a client certificate, into request options. */
type Apply = (options: RequestOptions) => Promise<void>;

/** A plugin that waits for a browser or a password would wait for ever. */
const defaultTimeoutMs = 60_000;
/** How long one answer serves before the authenticator is asked again whether it has expired. */
const askAgainMs = 5_000;

/** Credentials from an `exec` plugin or an `auth-provider`; client-node runs them, remembers their answer and knows when it expires. */
export function pluginUser(plugin: PluginUser, runtime: Pick<Runtime, 'now'>): Authentication {
  let apply: Promise<Apply> | undefined;
  let current: { at: number; credentials: Promise<Credentials> } | undefined;

  async function ask(): Promise<Credentials> {
    apply ??= authenticator(plugin);
    const options: RequestOptions = { headers: {} };
    await (await apply)(options);
    const signIn = lowerCase(options.headers as Record<string, string>);
    if (signIn.authorization === undefined && options.cert === undefined) throw emptyAnswer(plugin);
    return {
      headers: { ...plugin.headers, ...signIn },
      ...(typeof options.cert === 'string' && typeof options.key === 'string' ? { cert: options.cert, key: options.key } : {}),
    };
  }

  function failed(thrown: unknown): never {
    current = undefined;
    throw pluginError(plugin, thrown);
  }

  return {
    credentials() {
      const now = runtime.now().getTime();
      // One run for all calls that wait for it.
      if (current === undefined || now - current.at >= askAgainMs) current = { at: now, credentials: ask().catch(failed) };
      return current.credentials;
    },
    renew() {
      apply = undefined;
      current = undefined;
      return true;
    },
  };
}

async function authenticator(plugin: PluginUser): Promise<Apply> {
  const { exec } = plugin.user.value;
  return isObject(exec) ? execAuthenticator(plugin, exec) : providerAuthenticator(plugin);
}

async function execAuthenticator(plugin: PluginUser, exec: JsonObject): Promise<Apply> {
  // Only this module of client-node: the package's entry point costs half a second.
  const { ExecAuth } = await import('@kubernetes/client-node/dist/exec_auth.js');
  const auth = new ExecAuth();
  // Its own call of spawn has no time-out and leaves standard input open.
  Object.assign(auth, { execFn: boundedSpawn(timeoutOf(plugin)) });
  const command = stringAt(exec, 'command') ?? '';
  if (command === '') throw invalid(`kubeconfig ${plugin.user.file}: exec of user ${plugin.name} has no command`);
  const given = Array.isArray(exec.env) ? exec.env : [];
  const user: User = {
    name: plugin.name,
    exec: {
      ...exec,
      command: command.includes('/') ? pathIn(plugin.user, command) : command,
      args: Array.isArray(exec.args) ? exec.args : [],
      env: [...given, { name: 'KUBERNETES_EXEC_INFO', value: execInfo(plugin, exec) }],
    },
  };
  return options => auth.applyAuthentication(user, options);
}

function boundedSpawn(timeout: number): (command: string, args: readonly string[], options: object) => ChildProcess {
  return (command, args, options) =>
    spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], timeout, killSignal: 'SIGKILL' });
}

function timeoutOf(plugin: PluginUser): number {
  return plugin.timeoutMs ?? defaultTimeoutMs;
}

/** What plugins read from `KUBERNETES_EXEC_INFO` (KEP-541): which protocol version is spoken and, if they asked for it, which cluster is meant. */
function execInfo(plugin: PluginUser, exec: JsonObject): string {
  const cluster = {
    server: plugin.server,
    ...(plugin.tls.servername === undefined ? {} : { 'tls-server-name': plugin.tls.servername }),
    ...(plugin.tls.insecure === true ? { 'insecure-skip-tls-verify': true } : {}),
    ...(plugin.tls.ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(plugin.tls.ca).toString('base64') }),
  };
  return JSON.stringify({
    apiVersion: stringAt(exec, 'apiVersion') ?? 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    spec: { interactive: false, ...(exec.provideClusterInfo === true ? { cluster } : {}) },
  });
}

async function providerAuthenticator(plugin: PluginUser): Promise<Apply> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'cluster', server: plugin.server, skipTLSVerify: plugin.tls.insecure === true }],
    users: [{ name: plugin.name, authProvider: plugin.user.value['auth-provider'] }],
    contexts: [{ name: 'context', cluster: 'cluster', user: plugin.name }],
    currentContext: 'context',
  });
  return options => config.applyToHTTPSOptions(options);
}

function lowerCase(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function nameOf(plugin: PluginUser): string {
  const command = stringAt(plugin.user.value.exec, 'command');
  const provider = stringAt(plugin.user.value['auth-provider'], 'name') ?? 'without a name';
  return command === undefined ? `auth-provider ${provider} of user ${plugin.name}` : `credential plugin ${command} of user ${plugin.name}`;
}

/** client-node passes over a provider that it does not know; an anonymous request would then be refused for want of a right. */
function emptyAnswer(plugin: PluginUser): HoldfastError {
  return invalid(`kubeconfig ${plugin.user.file}: ${nameOf(plugin)} gave neither a token nor a client certificate`);
}

function pluginError(plugin: PluginUser, thrown: unknown): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown;
  const what = nameOf(plugin);
  const { code, message } = thrown as NodeJS.ErrnoException;
  const hint = stringAt(plugin.user.value.exec, 'installHint');
  if (code === 'ENOENT')
    return invalid(`kubeconfig ${plugin.user.file}: ${what} is not installed${hint === undefined ? '' : `: ${hint}`}`, thrown);
  const why = thrown instanceof SyntaxError ? 'its output is not JSON' : message.trim().slice(0, 500);
  const text = `${what} failed: ${why === '' ? `no answer within ${timeoutOf(plugin) / 1000} s, or no reason given` : why}`;
  // A parse error quotes the output, which may hold a token: it is not passed on as the cause.
  return new HoldfastError('CLUSTER_UNAUTHORIZED', text);
}

import type { WebSocket } from 'undici';
import { HoldfastError } from '../domain/errors.ts';
import { at, isObject, type Json, parseJson, stringAt } from '../domain/json.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { ExecResult, PodApi } from './pod-api.ts';
import type { Transport } from './transport.ts';

type Pod = Parameters<PodApi['exec']>[0];
type ExecOptions = Parameters<PodApi['exec']>[2];

/** The protocol of `kubectl exec`: the first byte of a message is its channel. */
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const channels = { stdout: 1, stderr: 2, status: 3 } as const;
const mostOutput = 64 * 1024;

/** Runs a command in a container, over a WebSocket. */
export async function execInPod(
  transport: Transport,
  runtime: Pick<Runtime, 'sleep'>,
  pod: Pod,
  command: readonly string[],
  { signal, timeoutMs }: ExecOptions,
): Promise<ExecResult> {
  const what = `${command[0] ?? ''} in pods ${pod.namespace}/${pod.name} (${pod.container})`;
  const path = execPath(pod, command);
  signal?.throwIfAborted();
  const timer = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<ExecResult | 'unopened'>();
  const aborted = () => reject(signal?.reason);
  signal?.addEventListener('abort', aborted, { once: true });
  runtime.sleep(timeoutMs, timer.signal).then(
    () => reject(new HoldfastError('TIMEOUT', `${what} did not end within ${Math.round(timeoutMs / 1000)} s`)),
    () => {},
  );
  let socket: WebSocket | undefined;
  try {
    socket = await transport.socket(path, protocols);
    listen(socket, resolve, reject, what);
    const result = await promise;
    return result === 'unopened' ? await refuse(transport, path, what, signal) : result;
  } finally {
    timer.abort();
    signal?.removeEventListener('abort', aborted);
    socket?.close();
  }
}

function execPath(pod: Pod, command: readonly string[]): string {
  const query = new URLSearchParams({ container: pod.container, stdout: 'true', stderr: 'true' });
  for (const word of command) query.append('command', word);
  return `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}/exec?${query}`;
}

function listen(
  socket: WebSocket,
  resolve: (result: ExecResult | 'unopened') => void,
  reject: (thrown: unknown) => void,
  what: string,
): void {
  const output = { stdout: '', stderr: '' };
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  let opened = false;
  const take = (stream: 'stdout' | 'stderr', bytes: Uint8Array) => {
    const room = mostOutput - output[stream].length;
    if (room > 0) output[stream] += decoders[stream].decode(bytes, { stream: true }).slice(0, room);
  };
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('open', () => {
    opened = true;
  });
  socket.addEventListener('message', ({ data }: { data: unknown }) => {
    if (!(data instanceof ArrayBuffer) || data.byteLength === 0) return;
    const [channel] = new Uint8Array(data, 0, 1);
    const bytes = new Uint8Array(data, 1);
    if (channel === channels.stdout) take('stdout', bytes);
    else if (channel === channels.stderr) take('stderr', bytes);
    else if (channel === channels.status) {
      try {
        resolve({ code: exitCode(parseJson(Buffer.from(bytes).toString('utf8')), what), ...output });
      } catch (thrown) {
        reject(thrown);
      }
    }
  });
  const ended = () => resolve(opened ? { code: -1, ...output } : 'unopened');
  socket.addEventListener('close', ended);
  socket.addEventListener('error', ended);
}

/** The exit code in a `metav1.Status`; anything but an exit is an error of whoever should have run the command. */
function exitCode(status: Json, what: string): number {
  if (stringAt(status, 'status') === 'Success') return 0;
  const causes = at(status, 'details', 'causes');
  const exit = Array.isArray(causes) ? causes.find(cause => isObject(cause) && cause['reason'] === 'ExitCode') : undefined;
  const code = Number(stringAt(exit, 'message'));
  if (stringAt(status, 'reason') === 'NonZeroExitCode' && Number.isInteger(code)) return code;
  throw new HoldfastError('CLUSTER_ERROR', `${what} could not be run: ${stringAt(status, 'message') ?? 'no reason was given'}`);
}

/** A WebSocket that is refused does not say why; the same request without one does. */
async function refuse(transport: Transport, path: string, what: string, signal: AbortSignal | undefined): Promise<never> {
  try {
    await transport.exchange({ method: 'GET', path, signal, repeatable: () => true }, async () => {});
  } catch (thrown) {
    const words = thrown instanceof Error ? thrown.message : '';
    if (!/upgrade/i.test(words)) throw thrown;
  }
  throw new HoldfastError('CLUSTER_ERROR', `${what} could not be run: the API server did not open a connection to it`);
}

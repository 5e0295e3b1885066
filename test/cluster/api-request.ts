import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import type { Access } from './kubeconfig.ts';

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default application/json. */
  readonly contentType?: string;
  /** Default 30,000. */
  readonly timeoutMs?: number;
}

export interface ApiResponse {
  readonly status: number;
  readonly text: string;
}

/** A Kubernetes object as JSON, just enough typed to be passed on. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/** Whoever waits asks ten times a second: most of that would be handshakes, on both sides. */
const agent = new Agent({ keepAlive: true });

/** One request without any client library, so that the suites do not check the product with its own code. Throws when nothing answers. */
export async function apiRequest(access: Access, path: string, options: ApiRequest = {}): Promise<ApiResponse> {
  const ca = await readFile(access.caFile);
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const once = (kept: boolean): Promise<ApiResponse> => send(access, path, { ...options, ca, body, kept });
  // The server may have ended a connection that was kept, at the very moment: then nothing of the request has reached it.
  return once(true).catch((thrown: unknown) => {
    if (!(thrown instanceof LostConnection)) throw thrown;
    return once(false);
  });
}

class LostConnection extends Error {}

interface Sent extends Omit<ApiRequest, 'body'> {
  readonly ca: Buffer;
  readonly body: string | undefined;
  /** On a connection that was used before, where there is one. */
  readonly kept: boolean;
}

function send(access: Access, path: string, { ca, body, kept, ...options }: Sent): Promise<ApiResponse> {
  return new Promise((resolve, reject) => {
    const call = request(new URL(path, access.server), {
      method: options.method ?? 'GET',
      ca,
      ...access.clientCertificate,
      agent: kept && agent,
      timeout: options.timeoutMs ?? 30_000,
      headers: {
        ...(access.clientCertificate ? {} : { authorization: `Bearer ${access.token}` }),
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': options.contentType ?? 'application/json' }),
      },
    });
    call.once('timeout', () => call.destroy(new Error(`${path}: no answer in time`)));
    call.once('error', (error: NodeJS.ErrnoException) => {
      reject(call.reusedSocket && error.code === 'ECONNRESET' ? new LostConnection(error.message, { cause: error }) : error);
    });
    call.once('response', response => {
      const chunks: Buffer[] = [];
      response.on('data', chunk => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    call.end(body);
  });
}

/** The answer's JSON; throws with the API server's words on a status of 400 or above. */
export async function apiJson<T>(access: Access, path: string, options: ApiRequest = {}): Promise<T> {
  const response = await apiRequest(access, path, options);
  if (response.status >= 400) throw new Error(`${options.method ?? 'GET'} ${path}: ${response.status} ${response.text.slice(0, 600)}`);
  return JSON.parse(response.text) as T;
}

/** Creates the object unless there is one of its name, which is left as it is. A plain create carries objects of any size that etcd takes. */
export async function createIfMissing(access: Access, collection: string, object: KubeObject): Promise<void> {
  const { status, text } = await apiRequest(access, collection, { method: 'POST', body: object });
  if (status >= 400 && status !== 409) throw new Error(`creating ${object.kind} ${object.metadata.name}: ${status} ${text.slice(0, 600)}`);
}

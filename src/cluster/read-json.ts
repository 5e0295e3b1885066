import { HoldfastError } from '../domain/errors.ts';
import { type Json, parseJson } from '../domain/json.ts';
import { readText, type Transport } from './transport.ts';

/** GET of a small document. CLUSTER_ERROR when what comes is not JSON, as from a login page or another kind of server. */
export async function readJson(transport: Transport, path: string, signal: AbortSignal | undefined, accept?: string): Promise<Json> {
  const text = await transport.exchange(
    { method: 'GET', path, signal, repeatable: () => true, ...(accept === undefined ? {} : { accept }) },
    answer => readText(answer.chunks),
  );
  try {
    return parseJson(text);
  } catch (cause) {
    throw new HoldfastError(
      'CLUSTER_ERROR',
      `GET ${path}: ${transport.server} answered something that is not JSON; is it a Kubernetes API server?`,
      { cause },
    );
  }
}

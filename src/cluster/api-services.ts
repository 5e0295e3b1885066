import { isCode } from '../domain/errors.ts';
import { isObject, type JsonObject, stringAt } from '../domain/json.ts';
import type { CallOptions } from './cluster-api.ts';
import { itemsOf } from './discovery-read.ts';
import { readJson } from './read-json.ts';
import type { Transport } from './transport.ts';

/** Who serves a group version, and whether it can be reached. */
export interface ApiService {
  readonly group: string;
  readonly version: string;
  /** Served by an extension API server. */
  readonly extension: boolean;
  /** Why the aggregator does not reach it; undefined when it does. */
  readonly unavailable: string | undefined;
}

/** Which groups are served elsewhere; none where this account may not look. */
export async function apiServices(transport: Transport, options: CallOptions): Promise<ApiService[]> {
  const path = '/apis/apiregistration.k8s.io/v1/apiservices';
  try {
    const answer = await readJson(transport, path, options.signal);
    return itemsOf(answer, 'items').map(readApiService);
  } catch (thrown) {
    if (isCode(thrown, 'CLUSTER_FORBIDDEN', 'CLUSTER_NOT_FOUND')) return [];
    throw thrown;
  }
}

function readApiService(item: JsonObject): ApiService {
  const spec = isObject(item.spec) ? item.spec : {};
  const conditions = itemsOf(item.status, 'conditions');
  const available = conditions.find(condition => condition.type === 'Available');
  return {
    group: stringAt(spec, 'group') ?? '',
    version: stringAt(spec, 'version') ?? '',
    extension: isObject(spec.service),
    unavailable: available?.status === 'False' ? (stringAt(available, 'message') ?? 'not available') : undefined,
  };
}

import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TestCluster } from '../../test/cluster/cluster.ts';
import { applyDefinitions } from '../../test/fixtures/platform/apply.ts';
import { type GeneratedObject, generatedNamespaces, platformObjects } from '../../test/fixtures/platform/generate.ts';
import { openApi } from './api.ts';
import { keyOf } from './inventory.ts';

/** Objects as files of requests that `bare-create.ts` reads, a stage each: definitions, namespaces, everything else. */
export interface DataSet {
  readonly stages: readonly string[];
  /** Of every object, as an inventory has them. */
  readonly keys: ReadonlySet<string>;
  readonly objects: number;
}

const definitionsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/** Puts the platform's definitions on the cluster, and writes `objects` objects that fit it, definitions included, as files. */
export async function writeDataSet(cluster: TestCluster, objects: number, dir: string): Promise<DataSet> {
  // Argo's own installation takes its definitions without schemas, too; those with schemas keep an API server busy for tens of seconds.
  await applyDefinitions(cluster, { argoCrds: 'minimal' });
  const definitions = await bareDefinitions(cluster.kubeconfig);
  const wanted = Math.max(1, objects - definitions.length);
  const generated = platformObjects(wanted);
  const keys = new Set<string>();
  const stages: string[] = [];
  for (const [stage, content] of [
    ['definitions', definitions],
    ['namespaces', first(generatedNamespaces(wanted), generated)],
    ['objects', generated],
  ] as const) {
    const file = join(dir, `data-${objects}-${stage}`);
    await pipeline(Readable.from(lines(content, keys)), createWriteStream(file));
    stages.push(file);
  }
  return { stages, keys, objects: keys.size };
}

/** Unlike `take`, leaves the rest to be had. */
function* first<T>(count: number, iterator: Iterator<T>): Generator<T> {
  for (let n = 0; n < count; n++) {
    const { value, done } = iterator.next();
    if (done === true) return;
    yield value;
  }
}

function* lines(objects: Iterable<GeneratedObject>, keys: Set<string>): Generator<string> {
  for (const { apiPath, body } of objects) {
    keys.add(keyOf(apiPath, (JSON.parse(body) as { metadata: { name: string } }).metadata.name));
    yield `${apiPath}?fieldManager=platform-load\t${body}\n`;
  }
}

/** The definitions that are there, as whoever made them sent them. */
async function bareDefinitions(kubeconfig: string): Promise<GeneratedObject[]> {
  const api = await openApi(kubeconfig, 1);
  try {
    const { items } = await api.json<{ items: { metadata: Record<string, unknown>; spec: unknown }[] }>(definitionsPath);
    return items.map(({ metadata: { name, labels, annotations }, spec }) => ({
      apiPath: definitionsPath,
      body: JSON.stringify({
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name, labels, annotations },
        spec,
      }),
    }));
  } finally {
    await api.close();
  }
}

import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TestCluster } from '../../test/cluster/cluster.ts';
import { applyDefinitions } from '../../test/fixtures/platform/apply.ts';
import { type Api, collectionPath, openApi, type ServedKind, servedKinds } from './api.ts';
import { nameOf } from './inventory.ts';
import { platformObjects } from './mix.ts';

/** Objects as files of requests that `bare-create.ts` reads, a stage each: definitions, namespaces, everything else. */
export interface DataSet {
  readonly stages: readonly string[];
  /** Of every object, as an inventory has them. */
  readonly keys: ReadonlySet<string>;
  readonly objects: number;
}

const seed = 1;
const definitionsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

export interface StoredObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
  };
}

/** Puts the platform's definitions on the cluster, and writes about `objects` objects that fit it, definitions included, as files. */
export async function writeDataSet(cluster: TestCluster, objects: number, dir: string): Promise<DataSet> {
  await applyDefinitions(cluster);
  const api = await openApi(cluster.kubeconfig, 1);
  try {
    const kinds = new Map((await servedKinds(api)).map(kind => [`${kind.apiVersion}/${kind.kind}`, kind]));
    const keys = new Set<string>();
    const file = (stage: string) => join(dir, `data-${objects}-${stage}`);
    const stages = [file('definitions'), file('namespaces'), file('objects')];
    const definitions = await bareDefinitions(api);
    await write(stages[0]!, lines(definitions, kinds, keys));
    const [namespaces, rest] = [true, false].map(wanted => () => ofNamespaces(platformObjects(objects - definitions.length, seed), wanted));
    await write(stages[1]!, lines(namespaces!(), kinds, keys));
    await write(stages[2]!, lines(rest!(), kinds, keys));
    return { stages, keys, objects: keys.size };
  } finally {
    await api.close();
  }
}

function write(path: string, content: Iterable<string>): Promise<void> {
  return pipeline(Readable.from(content), createWriteStream(path));
}

function* lines(texts: Iterable<string>, kinds: ReadonlyMap<string, ServedKind>, keys: Set<string>): Generator<string> {
  for (const text of texts) {
    const { apiVersion, kind, metadata } = JSON.parse(text) as StoredObject;
    const served = kinds.get(`${apiVersion}/${kind}`);
    if (served === undefined) throw new Error(`the cluster does not serve ${apiVersion} ${kind}`);
    keys.add(`${nameOf(served)}/${metadata.namespace ?? ''}/${metadata.name}`);
    yield `${collectionPath(served, metadata.namespace)}\t${text}\n`;
  }
}

function* ofNamespaces(texts: Iterable<string>, wanted: boolean): Generator<string> {
  for (const text of texts) if (((JSON.parse(text) as StoredObject).kind === 'Namespace') === wanted) yield text;
}

/** The definitions that are there, as whoever made them sent them. */
async function bareDefinitions(api: Api): Promise<string[]> {
  const { items } = await api.json<{ items: { metadata: Record<string, unknown>; spec: unknown }[] }>(definitionsPath);
  return items.map(({ metadata, spec }) => {
    const { name, labels, annotations } = metadata;
    return JSON.stringify({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name, labels, annotations },
      spec,
    });
  });
}

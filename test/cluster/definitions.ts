import { apiRequest, createIfMissing, type KubeObject } from './api-request.ts';
import type { Access } from './kubeconfig.ts';
import { waitFor } from './wait.ts';

const collection = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/** Creates the CustomResourceDefinitions that the cluster does not serve yet and waits until it does. */
export async function installDefinitions(access: Access, definitions: readonly KubeObject[]): Promise<void> {
  for (const definition of definitions) {
    if (!(await isServed(access, definition))) await createIfMissing(access, collection, definition);
  }
  for (const definition of definitions) {
    const served = () => isServed(access, definition);
    await waitFor(`${definition.metadata.name} served`, served, { timeoutMs: 120_000, intervalMs: 200 });
  }
}

interface DefinitionSpec {
  readonly group: string;
  readonly names: { readonly plural: string };
  readonly versions: readonly { readonly name: string; readonly served: boolean }[];
}

/** Asks for the objects and not for the definition, whose condition Established precedes the handler by a moment. */
async function isServed(access: Access, definition: KubeObject): Promise<boolean> {
  const { group, names, versions } = definition.spec as DefinitionSpec;
  const version = versions.find(candidate => candidate.served);
  return (await apiRequest(access, `/apis/${group}/${version?.name}/${names.plural}?limit=1`)).status === 200;
}

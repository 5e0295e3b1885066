import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { apiJson, apiRequest, type KubeObject } from '../cluster/api-request.ts';
import { definitionsIn, goModuleDir } from '../cluster/modules.ts';
import { withCluster } from '../cluster/with-cluster.ts';
import { applyPlatform } from '../fixtures/platform/apply.ts';
import { generateObjects, platformObjects } from '../fixtures/platform/generate.ts';

/** Whoever takes something out of the sample platform learns here what relied on it: each kind and each state that a backup has to meet. */
const cluster = withCluster({ name: 'contents', unsafeNoFsync: true });

interface Step {
  readonly type: string;
  readonly phase: string;
}
interface Found extends KubeObject {
  readonly metadata: KubeObject['metadata'] & {
    readonly uid: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly finalizers?: readonly string[];
    readonly managedFields?: readonly { readonly manager: string }[];
    readonly ownerReferences?: readonly { readonly kind: string; readonly uid: string }[];
  };
  readonly spec?: Readonly<Record<string, unknown>> & { readonly suspend?: boolean };
  readonly status?: { readonly phase?: string; readonly nodes?: Readonly<Record<string, Step>>; readonly conditions?: readonly object[] };
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

const platformNamespaces = ['argo', 'argo-events', 'agent-platform', 'monitoring', 'cert-manager'];
const listOf = async (path: string): Promise<readonly Found[]> => (await apiJson<{ items: Found[] }>(cluster(), path)).items;
const steps = ({ status }: Found) => Object.values(status?.nodes ?? {});
const hasStep = (of: Found, type: string, phase: string) => steps(of).some(step => step.type === type && step.phase === phase);
const named = (name: RegExp) => (of: Found) => name.test(of.metadata.name);
const platforms = ({ metadata }: Found) => platformNamespaces.includes(metadata.namespace ?? '');
const ended = (phase: string) => (of: Found) => of.status?.phase === phase && steps(of).some(step => step.phase === phase);

beforeAll(async () => {
  await applyPlatform(cluster(), { argoCrds: 'minimal' });
});

const workflows = '/apis/argoproj.io/v1alpha1/workflows';
const cronWorkflows = '/apis/argoproj.io/v1alpha1/cronworkflows';
const codeRuns = '/apis/agents.platform/v1/coderuns';
const rbac = '/apis/rbac.authorization.k8s.io/v1';

/** What there is, in which list, how it is known, and how many of it at least, if more than one. */
const contents: readonly (readonly [what: string, path: string, is: (of: Found) => boolean, atLeast?: number])[] = [
  ...platformNamespaces.map(name => [`the namespace ${name}`, '/api/v1/namespaces', named(new RegExp(`^${name}$`))] as const),
  ['a workflow that waits in a suspend step', workflows, of => of.status?.phase === 'Running' && hasStep(of, 'Suspend', 'Running')],
  [
    'a workflow of which a step is done and another one waits',
    workflows,
    of => hasStep(of, 'Pod', 'Succeeded') && hasStep(of, 'Suspend', 'Running'),
  ],
  ['a workflow that was suspended as a whole while it ran', workflows, of => of.spec?.suspend === true && of.status?.phase === 'Running'],
  ['a workflow that has not begun', workflows, of => of.status?.phase === 'Pending'],
  ['a workflow that succeeded, with the nodes of its pods', workflows, of => ended('Succeeded')(of) && hasStep(of, 'Pod', 'Succeeded')],
  ['a workflow that failed, with the node of its pod', workflows, of => ended('Failed')(of) && hasStep(of, 'Pod', 'Failed')],
  ['a workflow that ended in an error', workflows, ended('Error')],
  ['a workflow whose nodes are compressed', workflows, of => 'compressedNodes' in (of.status ?? {})],
  ['workflow templates', '/apis/argoproj.io/v1alpha1/workflowtemplates', platforms, 2],
  ['a workflow template of the cluster', '/apis/argoproj.io/v1alpha1/clusterworkflowtemplates', () => true],
  ['a cron workflow that runs', cronWorkflows, of => of.spec?.suspend !== true],
  ['a cron workflow that is suspended', cronWorkflows, of => of.spec?.suspend === true],
  ['sensors', '/apis/argoproj.io/v1alpha1/sensors', platforms, 2],
  ['event sources', '/apis/argoproj.io/v1alpha1/eventsources', platforms, 2],
  ['an event bus', '/apis/argoproj.io/v1alpha1/eventbus', platforms],
  ['certificates with their state', '/apis/cert-manager.io/v1/certificates', of => (of.status?.conditions ?? []).length > 0],
  ['an issuer of the cluster', '/apis/cert-manager.io/v1/clusterissuers', () => true],
  [
    'secrets of GitHub Apps',
    '/api/v1/secrets',
    of => named(/^github-app-5dlabs-(rex|cleo|tess)$/)(of) && 'private-key' in (of.data ?? {}),
    3,
  ],
  ['config maps of MCP servers', '/api/v1/configmaps', of => platforms(of) && /mcp/i.test(of.metadata.name)],
  ['a CodeRun that succeeded', codeRuns, of => of.status?.phase === 'Succeeded'],
  ['a CodeRun that failed', codeRuns, of => of.status?.phase === 'Failed'],
  ['a CodeRun that is yet to be done', codeRuns, of => of.status?.phase === undefined || of.status.phase === 'Pending'],
  ['roles', `${rbac}/roles`, platforms, 3],
  ['bindings of roles', `${rbac}/rolebindings`, platforms, 3],
  ['roles of the cluster', `${rbac}/clusterroles`, named(/^(coderun-controller|agents-)/), 2],
  ['a binding of a role of the cluster', `${rbac}/clusterrolebindings`, named(/coderun|agent|platform/)],
  ['service accounts', '/api/v1/serviceaccounts', platforms, 5],
  ['network policies', '/apis/networking.k8s.io/v1/networkpolicies', platforms, 2],
  ['ingresses', '/apis/networking.k8s.io/v1/ingresses', platforms, 2],
  ['volume claims', '/api/v1/persistentvolumeclaims', platforms, 4],
  ['deployments', '/apis/apps/v1/deployments', platforms, 3],
  ['objects that are held by a finalizer', '/api/v1/configmaps', of => (of.metadata.finalizers ?? []).length > 0],
  ['a config map with bytes that are no text', '/api/v1/configmaps', of => Object.values(of.binaryData ?? {}).some(text => text !== '')],
  ['a config map as large as the API server takes', '/api/v1/configmaps', of => sizeOf(of) > 0.97 * 2 ** 20],
  ['letters of many scripts in a value', '/api/v1/configmaps', of => /漢字.*עברית.*🔑/s.test(Object.values(of.data ?? {}).join())],
  ['letters of many scripts in a name', `${rbac}/clusterroles`, named(/Ü.*🔑/)],
];

test.each(contents.map(([what, path, is, atLeast = 1]) => ({ what, path, is, atLeast })))(
  'the platform has $what',
  async ({ path, is, atLeast }) => {
    expect((await listOf(path)).filter(is).length).toBeGreaterThanOrEqual(atLeast);
  },
);

/** Bytes of data, as the API server limits them. */
function sizeOf({ data = {}, binaryData = {} }: Found): number {
  const bytes = [
    ...Object.values(data).map(text => Buffer.byteLength(text)),
    ...Object.values(binaryData).map(text => Buffer.from(text, 'base64').length),
  ];
  return bytes.reduce((sum, size) => sum + size, 0);
}

describe('definitions', () => {
  const definitions = () => listOf('/apis/apiextensions.k8s.io/v1/customresourcedefinitions');
  const isOwn = ({ metadata }: Found) => metadata.annotations?.['holdfast.dev/fixture'] === 'true';
  interface Definition {
    readonly names: object;
    readonly versions: readonly { readonly name: string; readonly schema: object }[];
  }

  test.each([
    ['Argo Workflows', 'github.com/argoproj/argo-workflows/v3', 'manifests/base/crds/minimal', /\.argoproj\.io$/],
    ['cert-manager', 'github.com/cert-manager/cert-manager', 'deploy/crds', /cert-manager\.io$/],
    ['volume snapshots', 'github.com/kubernetes-csi/external-snapshotter/client/v8', 'config/crd', /\.snapshot\.storage\.k8s\.io$/],
  ] as const)('of %s are the real ones', async (_, module, folder, names) => {
    const real = (await definitionsIn(join(await goModuleDir(module), folder))).filter(({ metadata }) => names.test(metadata.name));
    expect(real.length).toBeGreaterThan(2);
    const there = new Map((await definitions()).map(one => [one.metadata.name, one]));
    for (const { metadata, spec } of real) {
      const served = there.get(metadata.name);
      expect(served && isOwn(served), metadata.name).toBe(false);
      const [wanted, got] = [spec, served!.spec] as unknown as [Definition, Definition];
      expect(got.names, metadata.name).toMatchObject(wanted.names);
      expect(got.versions.map(({ name }) => name)).toEqual(wanted.versions.map(({ name }) => name));
      expect(got.versions.map(({ schema }) => schema)).toMatchObject(wanted.versions.map(({ schema }) => schema));
    }
  });

  test('of our own are marked, and no others are', async () => {
    const own = (await definitions()).filter(isOwn).map(({ metadata }) => metadata.name);
    expect(own.sort()).toEqual([
      'agentpools.agents.platform',
      'coderuns.agents.platform',
      'eventbus.argoproj.io',
      'eventsources.argoproj.io',
      'sensors.argoproj.io',
    ]);
  });

  test('of CodeRun has its status in a subresource, and takes fields that its schema does not know', async () => {
    const { spec } = (await definitions()).find(named(/^coderuns\./))!;
    const { versions } = spec as unknown as { versions: { subresources: object; schema: object }[] };
    expect(versions[0]!.subresources).toHaveProperty('status');
    expect(JSON.stringify(versions[0]!.schema)).toContain('"x-kubernetes-preserve-unknown-fields":true');
  });
});

describe('odd objects', () => {
  const numbers = async () => (await apiRequest(cluster(), '/apis/agents.platform/v1/namespaces/agent-platform/coderuns/odd-numbers')).text;

  test.each([
    ['a whole number beyond 2^53', /: ?9007199254740993\b/],
    ['the greatest of 64 bits', /: ?9223372036854775807\b/],
    ['the least of 64 bits', /: ?-9223372036854775808\b/],
    ['a decimal', /: ?1\.1\b/],
  ])('hold %s, digit by digit', async (_, digits) => {
    expect(await numbers()).toMatch(digits);
  });

  test('own each other three deep, by their true UIDs', async () => {
    const [maps, runs, flows] = await Promise.all(['/api/v1/configmaps', codeRuns, workflows].map(listOf));
    const ownerIn = (owners: readonly Found[], of: Found) =>
      owners.find(({ metadata }) => of.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid));
    const chains = maps!.flatMap(map => ownerIn(runs!, map) ?? []).flatMap(run => ownerIn(flows!, run) ?? []);
    expect(chains.length).toBeGreaterThan(0);
  });
});

test('the generator makes as many objects as it is told, and the API server has every one of them', async () => {
  const wanted = { objects: 620, seed: 9 };
  expect((await generateObjects(cluster(), wanted)).objects).toBe(wanted.objects);
  const paths = new Set([...platformObjects(wanted.objects, wanted.seed)].map(({ apiPath }) => apiPath));
  const lists = await Promise.all([...paths].map(listOf));
  // The cluster puts objects of its own into every namespace.
  const made = lists.flat().filter(({ metadata }) => metadata.managedFields?.some(({ manager }) => manager === 'platform-load'));
  expect(new Set(made.map(({ metadata }) => metadata.uid)).size).toBe(wanted.objects);
});

import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { roleRights, roles } from '../../src/api/auth/roles.ts';
import { apiResources, apiVerbs } from '../../src/api/endpoint.ts';
import { allEndpoints } from '../../src/api/methods.ts';
import { loadConfig } from '../../src/config/load.ts';
import { serviceConfig } from '../../src/config/service.ts';
import { volumeConfig } from '../../src/config/volumes.ts';
import { type JsonObject, stringAt } from '../../src/domain/json.ts';
import { manifests, manifestsDir } from '../helpers/installed.ts';
import { rightsIn } from '../helpers/rights.ts';

const projectDir = resolve(import.meta.dirname, '../..');

interface Container {
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly resources: { readonly requests: { readonly memory: string }; readonly limits: { readonly memory: string } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly securityContext: object;
}

interface PodSpec {
  readonly serviceAccountName: string;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { readonly runAsUser: number; readonly runAsGroup: number };
  readonly containers: readonly [Container];
  readonly volumes: readonly { readonly name: string; readonly secret?: { readonly secretName: string } }[];
}

const deployment = async () => {
  const [first] = await manifests('deployment.yaml');
  return (first as unknown as { spec: { template: { metadata: { labels: Record<string, string> }; spec: PodSpec } } }).spec.template;
};
const environment = { variables: { POD_NAMESPACE: 'holdfast' }, directory: '/', home: '/tmp' };
const config = () => loadConfig(environment, { file: join(manifestsDir, 'holdfast.yaml') });

describe('deploy/kubernetes', () => {
  it('has a configuration that the service takes, which listens where the Deployment and the Services say', async () => {
    const loaded = await config();
    expect(loaded.warnings).toEqual([]);
    const service = await serviceConfig(loaded);
    const { ports } = (await deployment()).spec.containers[0];
    expect(service.listen).toEqual({ host: '', port: ports.find(({ name }) => name === 'api')?.containerPort });
    expect(service.metricsListen).toEqual({ host: '', port: ports.find(({ name }) => name === 'metrics')?.containerPort });
    const served = (await manifests('services.yaml')).map(one => (one as { spec: { ports: { port: number; targetPort: string }[] } }).spec);
    expect(served.flatMap(one => one.ports.map(({ port, targetPort }) => [targetPort, port]))).toEqual(
      ports.map(({ name, containerPort }) => [name, containerPort]),
    );
    const policies = JSON.stringify(await manifests('network-policies.yaml'));
    for (const { containerPort } of ports) expect(policies).toContain(`"port":${containerPort}`);
  });

  it('mounts every file that the configuration names, and no identity', async () => {
    const loaded = await config();
    const { volumeMounts, args } = (await deployment()).spec.containers[0];
    const named = [loaded.settings.keysDir, loaded.settings.service?.tls?.cert, loaded.settings.service?.tls?.key, args[2]];
    for (const path of named) {
      const mount = volumeMounts.find(({ mountPath }) => path === mountPath || path?.startsWith(`${mountPath}/`));
      expect(mount, path).toMatchObject({ readOnly: true });
    }
    expect(args.slice(0, 2)).toEqual(['serve', '--config']);
    const kustomization = parse(await readFile(join(manifestsDir, 'kustomization.yaml'), 'utf8'));
    expect(`/etc/holdfast/config/${kustomization.configMapGenerator[0].files[0]}`).toBe(args[2]);
    const secrets = await manifests('secrets.example.yaml');
    const wanted = (await deployment()).spec.volumes.flatMap(({ secret }) => (secret === undefined ? [] : [secret.secretName]));
    expect(secrets.map(secret => stringAt(secret, 'metadata', 'name')).sort()).toEqual([...wanted, 'holdfast-s3'].sort());
    const values = secrets.flatMap(secret => Object.entries(secret['stringData'] as Record<string, string>));
    expect(values.filter(([name, value]) => value !== '' || /identity/.test(name))).toEqual([]);
  });

  it('runs the image as its Dockerfile does, of the version that this is', async () => {
    const dockerfile = await readFile(join(projectDir, 'deploy/Dockerfile'), 'utf8');
    const { spec } = await deployment();
    const { runAsUser, runAsGroup } = spec.securityContext;
    expect(dockerfile).toContain(`\nUSER ${runAsUser}:${runAsGroup}\n`);
    expect(dockerfile).toMatch(/^ENTRYPOINT \[.*dist\/main\.js"\]$/m);
    expect(spec.containers[0].securityContext).toMatchObject({ readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
    expect(spec.containers[0].volumeMounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath)).toEqual(['/tmp']);
    const { version } = JSON.parse(await readFile(join(projectDir, 'package.json'), 'utf8')) as { version: string };
    const { images } = parse(await readFile(join(manifestsDir, 'kustomization.yaml'), 'utf8'));
    expect(images).toMatchObject([{ name: 'holdfast', newTag: version }]);
  });

  it('lets everything into the build of the image that its Dockerfile copies', async () => {
    const lines = (file: string) => readFile(join(projectDir, file), 'utf8').then(text => text.split('\n'));
    const copies = (await lines('deploy/Dockerfile')).filter(line => line.startsWith('COPY ') && !line.includes('--from='));
    const sources = copies.flatMap(line => line.split(' ').slice(1, -1));
    const allowed = (await lines('.dockerignore')).filter(line => line.startsWith('!')).map(line => line.slice(1));
    const within = (inner: string, outer: string) => inner === outer || inner.startsWith(`${outer}/`);
    expect(sources).toContain('deploy/restic/key_parameters.go');
    expect(sources.filter(source => !allowed.some(one => within(source, one) || within(one, source)))).toEqual([]);
  });

  it('gives a service that stops the time that it takes', async () => {
    const { shutdownGraceMs } = await serviceConfig(await config());
    expect((await deployment()).spec.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(shutdownGraceMs + 10_000);
  });

  it('has movers work where their rights and their namespace are', async () => {
    const { settings } = await volumeConfig(await config());
    const names = (await manifests('namespaces.yaml')).map(one => stringAt(one, 'metadata', 'name'));
    expect(names).toEqual(['holdfast', settings.namespace]);
    const role = (await manifests('rbac/volumes.yaml')).find(one => one['kind'] === 'Role');
    expect(stringAt(role, 'metadata', 'namespace')).toBe(settings.namespace);
  });

  it('gives viewers, operators and restorers what the table of the API gives them', async () => {
    const objects = await manifests('rbac/users.yaml');
    const used = new Set(allEndpoints().map(({ access }) => `${access?.resource} ${access?.verb}`));
    for (const role of roles) {
      const label = `holdfast.dev/aggregate-to-${role}`;
      const gathered = objects.find(object => stringAt(object, 'metadata', 'name') === `holdfast-${role}`);
      expect(gathered?.['aggregationRule']).toEqual({ clusterRoleSelectors: [{ matchLabels: { [label]: 'true' } }] });
      const parts = objects.filter(object => stringAt(object, 'metadata', 'labels', label) === 'true');
      const given = rightsIn(parts).map(({ group, resource, verb }) => `${group} ${resource} ${verb}`);
      const table: Readonly<Partial<Record<string, readonly string[]>>> = roleRights[role];
      const wanted = apiResources.flatMap(resource =>
        apiVerbs.flatMap(verb =>
          table[resource]?.includes(verb) && used.has(`${resource} ${verb}`) ? [`holdfast.dev ${resource} ${verb}`] : [],
        ),
      );
      expect(given.sort(), role).toEqual(wanted.sort());
    }
  });

  it('gives for volumes what docs/volumes.md says', async () => {
    const page = await readFile(join(projectDir, 'docs/volumes.md'), 'utf8');
    const table = page.slice(page.indexOf('<!-- rights:begin -->'), page.indexOf('<!-- rights:end -->')).split('\n').slice(3, -1);
    const split = (cell = '') => cell.replaceAll('`', '').trim().split(', ');
    const told = table.flatMap(row => {
      const [, where, objects, verbs] = row.split('|');
      return split(objects).flatMap(object => split(verbs).map(verb => `${split(where)[0]} ${object} ${verb}`));
    });
    const files = { '': 'rbac/volumes.yaml', 'hooks: ': 'grants/volume-hooks.yaml', 'live reads: ': 'grants/volume-live-reads.yaml' };
    const given = await Promise.all(
      Object.entries(files).map(async ([prefix, file]) =>
        rightsIn(await manifests(file)).map(({ namespace, group, resource, verb }) => {
          const where = namespace === '' ? 'cluster' : 'volumes.namespace';
          return `${prefix}${where} ${resource}${group === '' ? '' : `.${group}`} ${verb}`;
        }),
      ),
    );
    expect(told.sort()).toEqual(given.flat().sort());
  });

  it('binds every role to the service’s account alone, and applies every file but those that are to be chosen', async () => {
    const files = (await readdir(manifestsDir, { recursive: true })).filter(name => /\.yaml$/.test(name)).sort();
    const { resources } = parse(await readFile(join(manifestsDir, 'kustomization.yaml'), 'utf8')) as { resources: string[] };
    const others = ['kustomization.yaml', 'holdfast.yaml', 'secrets.example.yaml'];
    expect(files.filter(name => !others.includes(name) && !name.startsWith('grants/'))).toEqual(resources.toSorted());
    const all = (await Promise.all(files.filter(name => !others.includes(name)).map(manifests))).flat();
    const bindings = all.filter(({ kind }) => /Binding$/.test(String(kind)));
    const account = { kind: 'ServiceAccount', name: 'holdfast', namespace: 'holdfast' };
    for (const { subjects } of bindings) expect(subjects).toEqual([account]);
    const bound = bindings.map(binding => `${stringAt(binding, 'roleRef', 'kind')} ${stringAt(binding, 'roleRef', 'name')}`);
    const own = (object: JsonObject) => /Role$/.test(String(object['kind'])) && stringAt(object, 'metadata', 'name') !== undefined;
    const made = all.filter(object => own(object) && !/-(viewer|operator|restorer)/.test(stringAt(object, 'metadata', 'name') ?? ''));
    expect(bound.sort()).toEqual(made.map(({ kind, metadata }) => `${kind} ${stringAt(metadata, 'name')}`).sort());
  });
});

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { ownPod } from '../config/environment.ts';
import type { Config } from '../config/load.ts';
import { type VolumeAccess, volumeConfig } from '../config/volumes.ts';
import { HoldfastError } from '../domain/errors.ts';
import { stringAt } from '../domain/json.ts';
import { type Policy, policyHooks } from '../domain/policy.ts';
import type { RepositoryAccess } from '../domain/repository-access.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { TermVolumes } from '../service/world.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { S3Credentials } from '../storage/s3-client.ts';
import { secrets } from '../volumes/kinds.ts';
import { installationOf } from '../volumes/labels.ts';
import type { Objects } from '../volumes/objects.ts';
import type { AccessIssuer, MoverObserver } from '../volumes/ports.ts';
import { configuredLocation, openPods } from './adapters.ts';

export type Volumes = TermVolumes;

export interface VolumesFactory {
  /** Writes go through these: a service hands in those of its term. */
  on(places: { readonly cluster: ClusterApi; readonly store: ObjectStore; readonly repositoryId: string }): Volumes;
  close(): Promise<void>;
}

export interface VolumesOptions {
  readonly runtime: Runtime;
  /** age recipients of the location. */
  readonly recipients: readonly string[];
  readonly onWarning: (text: string) => void;
  readonly observer?: MoverObserver;
  /** As they are now; those of the configuration unless given. */
  readonly policies?: () => readonly Policy[];
}

/** Makes all of it from the configuration; asks no server anything. CONFIG_INVALID. */
export async function openVolumes(
  config: Config,
  { runtime, recipients, onWarning, observer, policies = () => config.policies }: VolumesOptions,
): Promise<VolumesFactory> {
  const [
    { settings, access },
    { createObjects },
    { createMovers },
    { ownImage },
    { createVolumeRepositories },
    { createFrozenPods },
    { createScaledWorkloads },
    { createVolumeCapture },
    { createLease },
  ] = await Promise.all([
    volumeConfig(config),
    import('../volumes/objects.ts'),
    import('../volumes/movers.ts'),
    import('../volumes/own-image.ts'),
    import('../volumes/repositories.ts'),
    import('../volumes/frozen-pods.ts'),
    import('../volumes/scaled-workloads.ts'),
    import('../backup/volumes/capture.ts'),
    import('../cluster/lease.ts'),
  ]);
  const pods = await openPods(config, runtime);
  const pod = await ownPod(config.environment);
  const issuerFor = await accessIssuer(config, access, settings.namespace);
  const monotonic = () => performance.now();
  return {
    on: ({ cluster, store, repositoryId }) => {
      const objects = createObjects(cluster, runtime);
      const { namespace } = settings;
      const lease = (name: string) => createLease(cluster, { namespace, name, labels: { 'app.kubernetes.io/name': 'holdfast' } });
      const installation = installationOf(repositoryId, namespace);
      const common = { objects, pods, settings, installation, runtime, monotonic, lease, onWarning };
      const issuer = issuerFor(objects);
      const isMade = async (key: string, signal: AbortSignal) => (await store.head(`${key}config`, { signal })) !== undefined;
      const movers = createMovers({
        ...{ ...common, isMade, access: issuer, ownImage: ownImage(objects, pod) },
        ...(observer !== undefined && { observer }),
      });
      const repositories = createVolumeRepositories({ objects, store, repositoryId, recipients, namespace, runtime });
      const frozen = createFrozenPods({ ...common, hooks: () => [...policyHooks(policies()), ...(settings.hooks ?? [])] });
      return {
        ...{ settings, installation, objects, lease, movers, repositories, frozen, scaled: createScaledWorkloads(common) },
        readFrom: (key, signal) => readAccess(config, issuer, key, signal),
        program: { restic: 'restic', environment: { ...config.environment.variables, HOME: config.environment.home } },
        capture: (wish, hooks = []) => {
          const all = { ...settings, hooks: [...hooks, ...(settings.hooks ?? [])] };
          return createVolumeCapture({ ...common, settings: all, movers, repositories, frozen }, wish);
        },
      };
    },
    close: () => pods.close(),
  };
}

async function accessIssuer(config: Config, access: VolumeAccess, namespace: string): Promise<(objects: Objects) => AccessIssuer> {
  const [location, { createFixedAccess, createStsAccess }] = await Promise.all([
    configuredLocation(config),
    import('../storage/s3-access.ts'),
  ]);
  const { endpoint, caFile, roleArn, secretName } = access;
  const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8').catch(unreadable(caFile));
  const options = { location, ...(endpoint !== undefined && { endpoint }), ...(ca !== undefined && { ca }) };
  if (access.mode === 'sts') {
    const issuer = createStsAccess({ ...options, ...(roleArn !== undefined && { roleArn }) });
    return () => issuer;
  }
  return objects => createFixedAccess({ ...options, read: signal => credentialsIn(objects, namespace, secretName ?? '', signal) });
}

/** A folder can be read from here, though from no pod. */
async function readAccess(config: Config, issuer: AccessIssuer, key: string, signal: AbortSignal): Promise<RepositoryAccess> {
  const location = await configuredLocation(config);
  if (location.kind === 's3') return issuer.issue(key, { write: false, seconds: 3_600, signal });
  return { url: join(location.path, key), options: [], accessKeyId: '', secretAccessKey: '' };
}

function unreadable(file: string): (thrown: Error) => never {
  return thrown => {
    throw new HoldfastError('CONFIG_INVALID', `volumes.access.caFile: ${file} cannot be read: ${thrown.message}`, { cause: thrown });
  };
}

async function credentialsIn(objects: Objects, namespace: string, name: string, signal: AbortSignal): Promise<S3Credentials> {
  const secret = await objects.read(secrets, namespace, name, signal);
  const value = (field: string) =>
    Buffer.from(stringAt(secret, 'data', field) ?? '', 'base64')
      .toString('utf8')
      .trim();
  const [accessKeyId, secretAccessKey, sessionToken] = ['access-key-id', 'secret-access-key', 'session-token'].map(value);
  if (accessKeyId === undefined || accessKeyId === '' || secretAccessKey === undefined || secretAccessKey === '') {
    const what = secret === undefined ? 'does not exist' : 'has no access-key-id and secret-access-key';
    throw new HoldfastError('CONFIG_INVALID', `volumes.access.secretName: secrets ${namespace}/${name} ${what}`);
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && sessionToken !== '' && { sessionToken }) };
}

import { z } from 'zod';
import { volumeCaptures } from '../domain/policy.ts';
import { HookList } from './hook-schema.ts';
import { duration, flag, oneOf, path, text, textOrNone, url, wholeNumber } from './values.ts';

const quantities = (what: string) =>
  z
    .record(
      text,
      text.describe(`${what}, as Kubernetes writes them: \`cpu: 500m\`, \`memory: 1Gi\`.`),
      'must be a map of resources to quantities',
    )
    .describe(what);

const mover = z
  .strictObject(
    {
      image: text.describe('Image with Holdfast and restic; that of the pod which Holdfast runs in unless told.'),
      imagePullPolicy: oneOf(['Always', 'IfNotPresent', 'Never']).describe('When nodes pull it.'),
      resources: z
        .strictObject(
          { requests: quantities('What a mover is sure of'), limits: quantities('What a mover may take') },
          'must be a map of requests and limits',
        )
        .partial(),
      nodeSelector: z
        .record(text, textOrNone.describe('Label of the nodes that movers run on.'), 'must be a map of labels')
        .describe('Labels of the nodes that movers run on.'),
      priorityClassName: text.describe('PriorityClass of movers.'),
      timeout: duration.describe('A mover that works for longer is ended, and its claim has failed.'),
    },
    'must be a map',
  )
  .partial();

const restic = z
  .strictObject(
    {
      compression: oneOf(['off', 'fastest', 'auto', 'better', 'max']).describe('How hard restic compresses.'),
      connections: wholeNumber(1, 256).describe('Connections of a mover to the store.'),
      readConcurrency: wholeNumber(1, 256).describe('Files that a mover reads at once.'),
      packSize: wholeNumber(4, 128).describe('Size of the files in the repository, MiB.'),
    },
    'must be a map',
  )
  .partial();

const access = z
  .strictObject(
    {
      mode: oneOf(['sts', 'secret']).describe(
        '`sts` gives each mover credentials for its own prefix by AssumeRole; `secret` gives all of them those of a Secret.',
      ),
      roleArn: text.describe('Role that movers get their credentials of; needed on AWS.'),
      secretName: text.describe(
        'Secret of `volumes.namespace` with `access-key-id`, `secret-access-key` and, where needed, `session-token`; for mode `secret`.',
      ),
      endpoint: url.describe('Address of the store as pods reach it, where it is another one than `s3.endpoint`.'),
      caFile: path.describe('Authorities of the store in PEM, where the image does not know them.'),
    },
    'must be a map',
  )
  .partial();

/** How the data of volumes is captured and brought back. */
export const VolumeSettings = z
  .strictObject(
    {
      capture: oneOf(volumeCaptures).describe(
        'What a backup by hand does about volumes: nothing, snapshots in the cluster, or snapshots and their data in the repository. Tiers say it by `parts`.',
      ),
      namespace: text.describe('Where movers run and snapshots are kept; the pod’s own namespace unless told, else `holdfast`.'),
      mover,
      restic,
      access,
      parallel: wholeNumber(1, 1000).describe('Movers at a time.'),
      parallelPerNode: wholeNumber(1, 1000).describe('Movers at a time on one node.'),
      parallelSnapshots: wholeNumber(1, 1000).describe('Snapshots that are taken at a time.'),
      snapshotTimeout: duration.describe('A snapshot that cannot be used by then has failed.'),
      snapshotClasses: z
        .record(
          text,
          text.describe('VolumeSnapshotClass for the CSI driver of that name, where the default one of the driver will not do.'),
          'must be a map of CSI drivers to VolumeSnapshotClasses',
        )
        .describe('VolumeSnapshotClass by CSI driver, where the default one of the driver will not do.'),
      keepSnapshots: wholeNumber(1, 1000).describe('The newest so many snapshots of each claim stay in the cluster.'),
      storageClasses: z
        .record(
          text,
          text.describe('StorageClass of restored claims that have the one of that name in the set.'),
          'must be a map of StorageClasses',
        )
        .describe('StorageClass of restored claims, by the one that they have in the set.'),
      liveFallback: flag.describe('Read a claim that cannot be snapshotted while it is in use; without it, that is a failure.'),
      hookTimeout: duration.describe('How long a hook in a pod may take that does not say.'),
      hooks: HookList.describe('Hooks for pods that have none in their annotations; the first that chooses a pod holds.'),
    },
    'must be a map',
  )
  .partial();

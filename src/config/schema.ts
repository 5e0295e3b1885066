import { z } from 'zod';
import { defaultTuning } from '../domain/volume-settings.ts';
import { defaultPolicyMap } from './default-policy.ts';
import { leavesOf } from './leaves.ts';
import { NotificationSettings } from './notification-schema.ts';
import { PolicyMap } from './policy-schema.ts';
import { SelectionSettings } from './selection-schema.ts';
import { ServiceSettings } from './service-schema.ts';
import { duration, flag, key, label, list, location, oneOf, path, text, url, wholeNumber } from './values.ts';
import { VolumeSettings } from './volume-schema.ts';

const s3 = z
  .strictObject(
    {
      endpoint: url.describe('S3 server other than AWS.'),
      region: text.describe('S3 region.'),
      pathStyle: flag.describe('Put the bucket in the path, as most servers other than AWS need.'),
    },
    'must be a map',
  )
  .partial();

const server = z
  .strictObject(
    {
      url: url.describe('A running service that does the work, instead of this process: `https://host:port`.'),
      tokenFile: path.describe('File with the bearer token that it is shown.'),
      caFile: path.describe('Certificates (PEM) that may have signed its own, instead of those that the system trusts.'),
      namespaces: list.describe('Stay within these namespaces: for who has rights in them alone.'),
      identity: text.describe(
        'An identity that the service can get at: `secret:NAMESPACE/NAME/KEY` or `file:NAME`; `identity` is sent along otherwise.',
      ),
    },
    'must be a map',
  )
  .partial();

const validation = z
  .strictObject(
    {
      platform: flag.describe('Also run a small workflow and a CodeRun after comparing.'),
      workflow: path.describe('YAML or JSON file with the Workflow to run, instead of the built-in one.'),
      codeRun: path.describe('YAML or JSON file with the CodeRun to make, instead of the built-in one.'),
      namespace: text.describe('Where they are made; unless told, the namespace in the file, else `agent-platform`, `argo` or `default`.'),
      timeout: duration.describe('How long each of them may take.'),
    },
    'must be a map',
  )
  .partial();

const logs = z
  .strictObject(
    {
      level: oneOf(['trace', 'debug', 'info', 'warn', 'error']).describe('The least that is logged by the service.'),
      format: oneOf(['json', 'text']).describe('One JSON document a line, or text for people.'),
    },
    'must be a map',
  )
  .partial();

/**
 * Every setting there is, whichever way it comes in: the tree is that of the file, `HOLDFAST_S3_PATH_STYLE` is `s3.pathStyle`, and flags name
 * their setting. Text is turned into numbers, lists and durations (milliseconds) here and nowhere else.
 */
export const Settings = z
  .strictObject(
    {
      location: location.describe('Where the repository lies: a folder, `file:///path` or `s3://bucket/prefix`.'),
      locations: z
        .record(
          key,
          location.describe('Another location, for the `locations` of tiers: a folder, `file:///path` or `s3://bucket/prefix`.'),
          'must be a map of locations',
        )
        .describe('Other locations by name.'),
      s3,
      keysDir: path.describe('Folder made by `keys generate`: recipients and signing keys come from it.'),
      recipients: list.describe('age recipients that backups are sealed to.'),
      recipientsFile: path.describe('File with age recipients, one a line.'),
      signingKey: path.describe('File with the private key that signs manifests.'),
      signingPublicKey: path.describe(
        'File with the public keys of which one must have signed a manifest: usually one, and after a change those of before too.',
      ),
      identity: path.describe('File with the age identity that opens backups; never taken from `keysDir`.'),
      kubeconfig: path.describe('kubeconfig; unless told `KUBECONFIG`, `~/.kube/config`, then in-cluster.'),
      context: text.describe('Context of the kubeconfig.'),
      server,
      concurrency: wholeNumber(1, 256).describe('Requests to the API server at once.'),
      timeout: duration.describe('A command gives up after this long, with exit status 5.'),
      tier: label.describe('Label of a backup taken by hand.'),
      sealIndex: flag.describe('Seal the index too, so that names and kinds cannot be read without an identity.'),
      insecurePlaintext: flag.describe('Seal nothing; for tests.'),
      selection: SelectionSettings,
      validation,
      policies: PolicyMap.describe(
        'What is protected, when, and for how long. The default policy where there is no such key; nothing where it is `{}`.',
      ),
      volumes: VolumeSettings,
      service: ServiceSettings,
      notifications: NotificationSettings,
      logs,
      operationsKept: duration.describe('How long records of operations that have ended are kept.'),
    },
    'must be a map of settings',
  )
  .partial();
export type Settings = z.infer<typeof Settings>;

/** What holds where nobody says otherwise, as it would be written in the file. */
export const defaults = {
  tier: 'manual',
  sealIndex: false,
  insecurePlaintext: false,
  validation: { platform: true, timeout: '1m' },
  policies: defaultPolicyMap,
  volumes: {
    capture: 'none',
    mover: {
      imagePullPolicy: 'IfNotPresent',
      resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '2Gi' } },
      timeout: '6h',
    },
    restic: defaultTuning,
    access: { mode: 'sts' },
    parallel: 4,
    parallelPerNode: 2,
    parallelSnapshots: 10,
    snapshotTimeout: '10m',
    keepSnapshots: 3,
    liveFallback: true,
    hookTimeout: '30s',
  },
  service: {
    listen: '127.0.0.1:8443',
    metricsListen: '127.0.0.1:9090',
    insecureHttp: false,
    auth: { tokenReview: { audiences: ['holdfast'] }, oidc: { usernameClaim: 'sub', groupsClaim: 'groups' } },
    authorization: { mode: 'subjectAccessReview' },
    rateLimit: { perMinute: 1200, perSecond: 200 },
    bodyLimit: '1MiB',
    requestTimeout: '30s',
    leaderElection: { enabled: true, name: 'holdfast', leaseDuration: '15s', renewDeadline: '10s', retryPeriod: '2s' },
    shutdownGrace: '25s',
    retention: { schedule: '30 4 * * *', maxShare: '25%' },
    catalogRefresh: '1m',
  },
  notifications: { deadMansSwitch: { every: '5m' } },
  logs: { level: 'info', format: 'json' },
  operationsKept: '90d',
} as const;

/** All settings in the order of the schema. */
export const settingLeaves = leavesOf(Settings);

/** Paths of all settings, such as `location` and `s3.endpoint`. */
export const settingPaths: readonly string[] = settingLeaves.map(leaf => leaf.path);

/** `s3.pathStyle` → `HOLDFAST_S3_PATH_STYLE`. */
export function environmentName(settingPath: string): string {
  return `HOLDFAST_${settingPath
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_')
    .toUpperCase()}`;
}

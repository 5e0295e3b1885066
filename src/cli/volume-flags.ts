import type { Flag } from './flags.ts';

/** How volumes are captured and brought back; other commands take this from the file or the environment. */
export const volumeFlags: readonly Flag[] = [
  { flags: '--volume-namespace <name>', text: 'where movers run and snapshots are kept', setting: 'volumes.namespace' },
  { flags: '--mover-image <image>', text: 'image with Holdfast and restic', setting: 'volumes.mover.image' },
  {
    flags: '--mover-image-pull-policy <when>',
    text: 'when nodes pull it (default IfNotPresent)',
    choices: ['Always', 'IfNotPresent', 'Never'],
    setting: 'volumes.mover.imagePullPolicy',
  },
  { flags: '--mover-priority-class <name>', text: 'PriorityClass of movers', setting: 'volumes.mover.priorityClassName' },
  { flags: '--mover-timeout <duration>', text: 'a mover is ended after this long (default 6h)', setting: 'volumes.mover.timeout' },
  {
    flags: '--restic-compression <how>',
    text: 'how hard restic compresses (default fastest)',
    choices: ['off', 'fastest', 'auto', 'better', 'max'],
    setting: 'volumes.restic.compression',
  },
  { flags: '--restic-connections <n>', text: 'connections of a mover to the store', setting: 'volumes.restic.connections' },
  { flags: '--restic-read-concurrency <n>', text: 'files that a mover reads at once', setting: 'volumes.restic.readConcurrency' },
  { flags: '--restic-pack-size <MiB>', text: 'size of the files in repositories', setting: 'volumes.restic.packSize' },
  {
    flags: '--mover-access <mode>',
    text: 'sts: credentials for one prefix each; secret: those of a Secret',
    choices: ['sts', 'secret'],
    setting: 'volumes.access.mode',
  },
  { flags: '--mover-role <arn>', text: 'role that movers get credentials of, on AWS', setting: 'volumes.access.roleArn' },
  { flags: '--mover-secret <name>', text: 'Secret with credentials for movers', setting: 'volumes.access.secretName' },
  { flags: '--mover-endpoint <url>', text: 'address of the store as pods reach it', setting: 'volumes.access.endpoint' },
  { flags: '--mover-ca <file>', text: 'authorities of the store, PEM', setting: 'volumes.access.caFile', completes: 'file' },
  { flags: '--movers <n>', text: 'movers at a time (default 4)', setting: 'volumes.parallel' },
  { flags: '--movers-per-node <n>', text: 'movers at a time on one node (default 2)', setting: 'volumes.parallelPerNode' },
  { flags: '--snapshots-at-once <n>', text: 'snapshots that are taken at a time (default 10)', setting: 'volumes.parallelSnapshots' },
  { flags: '--snapshot-timeout <duration>', text: 'a snapshot must be ready by then (default 10m)', setting: 'volumes.snapshotTimeout' },
  { flags: '--keep-snapshots <n>', text: 'newest snapshots of a claim that stay (default 3)', setting: 'volumes.keepSnapshots' },
  {
    flags: '--live-fallback <true|false>',
    text: 'read claims that cannot be snapshotted while in use (default true)',
    choices: ['true', 'false'],
    setting: 'volumes.liveFallback',
  },
  { flags: '--hook-timeout <duration>', text: 'how long a hook may take (default 30s)', setting: 'volumes.hookTimeout' },
];

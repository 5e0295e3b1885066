import { randomBytes } from 'node:crypto';
import { recipientFingerprint } from '../../src/crypto/age.ts';
import type { IndexRecord, KindRecord, Manifest, ShardRecord } from '../../src/domain/backup-set.ts';
import type { Fire } from '../../src/domain/policy.ts';
import { everything } from '../../src/domain/selection.ts';
import { newSetId } from '../../src/domain/set-id.ts';
import { eachConcurrently } from '../../src/repository/concurrency.ts';
import { createIndexWriter } from '../../src/repository/index-writer.ts';
import { fileKey, manifestKey, shardName } from '../../src/repository/layout.ts';
import { encodeManifest } from '../../src/repository/manifest.ts';
import { initRepository } from '../../src/repository/repository.ts';
import { createShardBuilder } from '../../src/repository/shard-builder.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

const policy = 'platform';
const hourMs = 3_600_000;
/** Of all sets; the others are daily, and older. */
const hourlyShare = 0.75;
const writesAtOnce = 32;
/** The last scheduled run lies so far back that none is due for most of an hour. */
const sinceLastRunMs = 5 * 60_000;

export interface SetKeys {
  readonly recipients: readonly string[];
  /** Ed25519, PEM. */
  readonly signingKey: string;
  readonly signingPublicKey: string;
}

/** A set that was taken when it was due. */
interface Taken {
  readonly at: Date;
  readonly tiers: readonly string[];
}

/** Sets as a policy with four schedules has taken them: years of daily ones, of late hourly ones, some of them weekly and monthly ones too. */
export interface SetHistory {
  /** Newest first. */
  readonly taken: readonly Taken[];
  /** `policies` of a configuration: its tiers keep all of these sets, and have taken every one that was due. */
  readonly policies: object;
  /** Cron, UTC: a moment ago, so that retention is not due for a day. */
  readonly retentionSchedule: string;
}

export function setHistory(count: number, now: Date): SetHistory {
  const newest = new Date(Math.floor((now.getTime() - sinceLastRunMs) / 60_000) * 60_000);
  const hourly = Math.max(1, Math.floor(count * hourlyShare));
  const taken = Array.from({ length: count }, (_, n): Taken => {
    const hoursAgo = n < hourly ? n : 24 * (Math.floor((hourly - 1) / 24) + 1 + n - hourly);
    const at = new Date(newest.getTime() - hoursAgo * hourMs);
    const tiers = [
      ...(hoursAgo % 24 === 0 && at.getUTCDate() === newest.getUTCDate() ? ['monthly'] : []),
      ...(hoursAgo % (7 * 24) === 0 ? ['weekly'] : []),
      ...(hoursAgo % 24 === 0 ? ['daily'] : []),
      ...(n < hourly ? ['hourly'] : []),
    ];
    return { at, tiers };
  });
  const [minute, hour] = [newest.getUTCMinutes(), newest.getUTCHours()];
  const tier = (schedule: string) => ({ schedule, keep: '50y', parts: ['resources'] });
  const tiers = {
    hourly: tier(`${minute} * * * *`),
    daily: tier(`${minute} ${hour} * * *`),
    weekly: tier(`${minute} ${hour} * * ${newest.getUTCDay()}`),
    monthly: tier(`${minute} ${hour} ${newest.getUTCDate()} * *`),
    yearly: { promote: { from: 'monthly', lastOf: 'year' }, keep: '50y' },
  };
  return {
    taken,
    policies: { [policy]: { objectives: { rpo: '2h' }, timeZone: 'UTC', tiers } },
    retentionSchedule: `${minute} ${hour} * * *`,
  };
}

/** Makes the repository and writes all sets: content, index, signed manifest. Their content is the same few objects. Their ids, newest first. */
export async function writeSets(store: ObjectStore, history: SetHistory, keys: SetKeys, signal: AbortSignal): Promise<string[]> {
  const oldest = history.taken.at(-1)!.at;
  const repository = await initRepository(store, {
    recipients: keys.recipients,
    signingPublicKey: keys.signingPublicKey,
    runtime: { now: () => oldest, random: bytes => new Uint8Array(randomBytes(bytes)) },
    signal,
  });
  const content = await makeContent(keys.recipients);
  const ids: string[] = [];
  await eachConcurrently(history.taken, writesAtOnce, async taken => {
    signal.throwIfAborted();
    const manifest = manifestOf(repository.info.id, taken, content, keys);
    ids.push(manifest.id);
    for (const { name, bytes } of content.files) await store.put(fileKey(manifest.id, name), bytes, { signal });
    await store.put(manifestKey(manifest.id), encodeManifest(manifest, keys.signingKey), { signal });
  });
  return ids.sort().reverse();
}

interface Content {
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  readonly shards: readonly ShardRecord[];
  readonly index: readonly IndexRecord[];
  readonly kinds: readonly KindRecord[];
}

/** What a platform has most of. */
const kinds = [
  { group: '', version: 'v1', resource: 'configmaps', kind: 'ConfigMap' },
  { group: '', version: 'v1', resource: 'services', kind: 'Service' },
  { group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment' },
  { group: 'batch', version: 'v1', resource: 'jobs', kind: 'Job' },
  { group: 'argoproj.io', version: 'v1alpha1', resource: 'workflows', kind: 'Workflow' },
];
const objectsPerKind = 10;

async function makeContent(recipients: readonly string[]): Promise<Content> {
  const files: { name: string; bytes: Uint8Array }[] = [];
  const [shards, index]: [ShardRecord[], IndexRecord[]] = [[], []];
  const builder = createShardBuilder({
    ...{ class: 'resources', recipients, nameOf: n => shardName('resources', n, true) },
    onShard: async ({ record, bytes }) => {
      files.push({ name: record.name, bytes });
      shards.push(record);
    },
  });
  const writer = createIndexWriter({
    ...{ recipients, sealIndex: false },
    onPart: async ({ record, bytes }) => {
      files.push({ name: record.name, bytes });
      index.push(record);
    },
  });
  const records: KindRecord[] = [];
  for (const { kind, ...type } of kinds) {
    const record = { ...type, kind, namespaced: true, count: objectsPerKind, revision: '4711', consistency: 'instant' as const };
    let size = 0;
    for (let n = 0; n < objectsPerKind; n++) {
      const [name, namespace] = [`${type.resource}-${n}`, 'agents'];
      const apiVersion = type.group === '' ? type.version : `${type.group}/${type.version}`;
      const json = Buffer.from(JSON.stringify({ apiVersion, kind, metadata: { name, namespace, uid: name } }));
      size += json.length;
      await writer.add(await builder.add({ ...type, namespace, name }, kind, json, { uid: name }, undefined));
    }
    records.push({ ...record, bytes: size });
  }
  await builder.finish();
  await writer.finish();
  return { files, shards, index, kinds: records };
}

function manifestOf(repository: string, { at, tiers }: Taken, content: Content, keys: SetKeys): Manifest {
  const fires = tiers.map((tier): Fire => ({ policy, tier, at: at.toISOString() }));
  return {
    formatVersion: 1,
    id: newSetId(at, tiers[0]!, randomBytes(4)),
    repository,
    phase: 'Completed',
    tier: tiers[0]!,
    fires,
    parts: [{ part: 'resources', state: 'protected', reason: '' }],
    startedAt: at.toISOString(),
    finishedAt: new Date(at.getTime() + 5_000).toISOString(),
    producer: { name: 'holdfast', version: '0.1.0' },
    cluster: { uid: '', version: 'v1.37.2', server: 'https://127.0.0.1:6443' },
    consistency: 'instant',
    revision: '4711',
    selection: everything,
    kinds: content.kinds,
    objects: content.kinds.reduce((sum, kind) => sum + kind.count, 0),
    bytes: content.kinds.reduce((sum, kind) => sum + kind.bytes, 0),
    excluded: [{ what: 'events', reason: 'they end by themselves' }],
    problems: [],
    volumes: [],
    shards: content.shards,
    index: content.index,
    encryption: { scheme: 'age', recipients: keys.recipients.map(recipientFingerprint), indexSealed: false },
  };
}

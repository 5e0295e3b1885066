import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { LedgerFact } from '../../src/domain/ledger.ts';
import type { Fire } from '../../src/domain/policy.ts';
import { noProgress } from '../../src/domain/runtime.ts';
import { setTime } from '../../src/domain/set-id.ts';
import { listSets } from '../../src/repository/catalog.ts';
import type { HoldWriteOptions } from '../../src/repository/holds.ts';
import { setPrefix } from '../../src/repository/layout.ts';
import { encodeManifest } from '../../src/repository/manifest.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { claimKey, commitClaimed } from '../../src/repository/run-claim.ts';
import { type RetentionOutcome, type RetentionRunOptions, runRetention } from '../../src/schedule/retention-run.ts';
import { collect, configMap, makeRepository, type TestRepository, writeSet } from '../contract/repository-fixture.ts';
import { platform } from './retention-world.ts';
import { testRuntime } from './runtime.ts';

/** The clock of retention, not of the store. */
export const now = new Date('2026-11-23T12:00:00Z');

/** A repository in the clear, and retention by the default policy at `now`. */
export interface RetentionLocation extends TestRepository {
  /** What the ledger was told. */
  readonly facts: LedgerFact[];
  options(changes?: Partial<RetentionRunOptions>): RetentionRunOptions;
  run(changes?: Partial<RetentionRunOptions>): Promise<RetentionOutcome>;
  /** A set of the daily run of a day, or what is there before it is one. */
  taken(day: string, upTo?: 'set' | 'files' | 'claim'): Promise<string>;
  /** Makes the files of a folder look as if they were written the day before. */
  age(id: string): Promise<void>;
  visible(of?: Repository): Promise<string[]>;
  keysBelow(prefix: string): Promise<string[]>;
  /** A person who holds sets for an audit. */
  alice(): HoldWriteOptions;
}

export function idOf(day: string): string {
  return `${day.replaceAll('-', '')}T020000Z-daily-aaaa`;
}

export function firesOf(id: string): [Fire] {
  return [{ policy: 'platform', tier: 'daily', at: setTime(id)!.toISOString() }];
}

export async function makeRetentionLocation(): Promise<RetentionLocation> {
  const location = await makeRepository({ plaintext: true });
  const { repository, keys, dir } = location;
  const facts: LedgerFact[] = [];
  const signingKey = keys.privatePem;
  const keysBelow = async (prefix: string) => (await collect(repository.store.list(prefix))).map(({ key }) => key);
  const options = (changes: Partial<RetentionRunOptions> = {}): RetentionRunOptions => ({
    ...{ repository, signingKey, progress: noProgress },
    policies: [platform],
    trusted: [keys.publicPem],
    runtime: { ...testRuntime, now: () => now },
    busy: async () => new Map(),
    actor: { name: 'retention', via: 'service' },
    record: async fact => facts.push(fact),
    ...changes,
  });
  return {
    ...location,
    ...{ facts, options, keysBelow },
    run: changes => runRetention(options(changes)),
    taken: async (day, upTo = 'set') => {
      const id = idOf(day);
      const objects = [configMap('a'), configMap('b')];
      const made = await writeSet(repository, keys, { id, objects, plaintext: true, halfWritten: true, maxTarBytes: 1 });
      const manifest = { ...made.manifest, fires: firesOf(id) };
      const bytes = encodeManifest(manifest, signingKey);
      if (upTo === 'set') await commitClaimed(repository, manifest, bytes, { signingKey });
      if (upTo === 'claim') await repository.store.put(claimKey(manifest.fires[0]), bytes);
      return id;
    },
    age: async id => {
      const dayBefore = new Date(Date.now() - 25 * 3_600_000);
      for (const key of await keysBelow(setPrefix(id))) await utimes(join(dir, key), dayBefore, dayBefore);
    },
    visible: async (of = repository) => (await collect(listSets(of))).map(({ id }) => id),
    alice: () => ({ signingKey, by: 'alice', reason: 'audit', now }),
  };
}

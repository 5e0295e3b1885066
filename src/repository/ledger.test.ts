import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/cluster/temp-dir.ts';
import { wrapStore } from '../../test/contract/repository-fixture.ts';
import { testRuntime } from '../../test/helpers/runtime.ts';
import { generateSigningKey } from '../crypto/signing.ts';
import { HoldfastError } from '../domain/errors.ts';
import type { LedgerFact } from '../domain/ledger.ts';
import { createFileStore } from '../storage/file-store.ts';
import { openLedger, readLedger } from './ledger.ts';
import { verifyLedger } from './ledger-verify.ts';
import { initRepository, type Repository } from './repository.ts';

const keys = generateSigningKey();
const fact = (subject: string): LedgerFact => ({
  action: 'backup.completed',
  actor: { name: 'schedule', via: 'schedule' },
  subject,
  details: { objects: 3 },
});

describe('the ledger', () => {
  let dir: string;
  let repository: Repository;
  const ledger = (of = repository) => openLedger(of, { signingKey: keys.privatePem, runtime: testRuntime });

  beforeAll(async () => {
    dir = await tempDir('ledger');
    const options = { recipients: [], insecurePlaintext: true, signingPublicKey: keys.publicPem, runtime: testRuntime };
    repository = await initRepository(createFileStore(join(dir, 'a')), options);
  });

  it('is empty and in order before anything happened', async () => {
    expect(await verifyLedger(repository)).toMatchObject({ ok: true, entries: 0, head: { seq: 0 } });
    expect(await ledger().read({ limit: 5 })).toEqual([]);
  });

  it('stays one gapless chain when several writers add to it at once', async () => {
    const writers = [ledger(), ledger(), ledger()];
    await Promise.all(writers.flatMap((writer, w) => Array.from({ length: 8 }, (_, i) => writer.append(fact(`writer-${w}-${i}`)))));
    const report = await verifyLedger(repository);
    expect(report).toMatchObject({ ok: true, entries: 24, problems: [] });
    const all = await ledger().read({ limit: 100 });
    expect(all.map(entry => entry.seq)).toEqual(Array.from({ length: 24 }, (_, i) => 24 - i));
    for (const w of [0, 1, 2]) {
      const own = all.map(entry => entry.subject).filter(subject => subject.startsWith(`writer-${w}-`));
      expect(own).toEqual(Array.from({ length: 8 }, (_, i) => `writer-${w}-${7 - i}`));
    }
  });

  it('is read newest first, a page at a time, and by action', async () => {
    await ledger().append({ ...fact('held'), action: 'set.held' });
    expect((await ledger().read({ limit: 2 })).map(entry => entry.seq)).toEqual([25, 24]);
    expect((await ledger().read({ limit: 2, before: 24 })).map(entry => entry.seq)).toEqual([23, 22]);
    expect((await ledger().read({ limit: 9, action: 'set.held' })).map(entry => entry.subject)).toEqual(['held']);
  });

  it('shows every change that somebody makes to it', async () => {
    const name = (seq: number) => `${String(seq).padStart(8, '0')}.json`;
    const change = fc.oneof(
      fc.record({
        how: fc.constant('alter' as const),
        seq: fc.integer({ min: 1, max: 25 }),
        at: fc.nat(),
        bit: fc.integer({ min: 0, max: 7 }),
      }),
      fc.record({ how: fc.constant('remove' as const), seq: fc.integer({ min: 1, max: 24 }) }),
      fc.record({ how: fc.constant('swap' as const), seq: fc.integer({ min: 1, max: 24 }) }),
      fc.record({ how: fc.constant('copy' as const), seq: fc.integer({ min: 1, max: 24 }) }),
      fc.record({ how: fc.constant('insert' as const), seq: fc.integer({ min: 1, max: 24 }) }),
      fc.record({ how: fc.constant('cut' as const), seq: fc.integer({ min: 1, max: 24 }) }),
    );
    const { head } = await verifyLedger(repository);
    let n = 0;
    await fc.assert(
      fc.asyncProperty(change, async made => {
        const copy = join(dir, `copy-${n++}`);
        await cp(join(dir, 'a'), copy, { recursive: true });
        const file = (seq: number) => join(copy, 'ledger', name(seq));
        if (made.how === 'alter') {
          const bytes = await readFile(file(made.seq));
          bytes[made.at % bytes.length]! ^= 1 << made.bit;
          await rm(file(made.seq));
          await writeFile(file(made.seq), bytes);
        } else if (made.how === 'remove') await rm(file(made.seq));
        else if (made.how === 'swap') {
          await rename(file(made.seq), `${file(made.seq)}.x`);
          await rename(file(made.seq + 1), file(made.seq));
          await rename(`${file(made.seq)}.x`, file(made.seq + 1));
        } else if (made.how === 'copy') await cp(file(made.seq), file(26));
        else for (const entry of await readdir(join(copy, 'ledger'))) if (entry > name(made.seq)) await rm(join(copy, 'ledger', entry));
        const report = await verifyLedger({ ...repository, store: createFileStore(copy) }, { expected: head });
        await rm(copy, { recursive: true });
        expect(report.ok).toBe(false);
        expect(report.problems[0]).toMatch(/entr|ledger/);
      }),
      { numRuns: 60 },
    );
  });

  it('shows that it was written anew with the same key, to whoever noted its head', async () => {
    const { head } = await verifyLedger(repository);
    const copy = join(dir, 'anew');
    await cp(join(dir, 'a'), copy, { recursive: true });
    await rm(join(copy, 'ledger'), { recursive: true });
    const other: Repository = { ...repository, store: createFileStore(copy) };
    const writer = ledger(other);
    for (let i = 0; i < 30; i++) await writer.append(fact(`other-${i}`));
    expect((await verifyLedger(other)).ok).toBe(true);
    expect((await verifyLedger(other, { expected: head })).problems).toEqual([
      `entry ${head.seq} is not the one that was noted: the ledger was written anew`,
    ]);
  });

  it('goes on after damage, which stays visible', async () => {
    const copy = join(dir, 'damaged');
    await cp(join(dir, 'a'), copy, { recursive: true });
    const last = join(copy, 'ledger', '00000025.json');
    await rm(last);
    await writeFile(last, 'nothing that anybody signed\n');
    const other: Repository = { ...repository, store: createFileStore(copy) };
    const writer = ledger(other);
    await writer.append(fact('after'));
    await writer.append(fact('and after'));
    const { ok, entries, problems } = await verifyLedger(other);
    expect({ ok, entries }).toEqual({ ok: false, entries: 27 });
    expect(problems).toEqual([expect.stringContaining('ledger/00000025.json')]);
    expect((await writer.read({ limit: 2 })).map(({ subject }) => subject)).toEqual(['and after', 'after']);
    await expect(writer.read({ limit: 3 })).rejects.toMatchObject({ code: 'BACKUP_CORRUPT' });
  });

  it('never shows a page with a hole in it', async () => {
    const copy = join(dir, 'hole');
    await cp(join(dir, 'a'), copy, { recursive: true });
    await rm(join(copy, 'ledger', '00000020.json'));
    const other: Repository = { ...repository, store: createFileStore(copy) };
    expect(await readLedger(other, { limit: 5 })).toHaveLength(5);
    await expect(readLedger(other, { limit: 6 })).rejects.toThrow('00000020.json is missing');
  });

  it('tells of files that are no entries, and passes them over', async () => {
    const copy = join(dir, 'others');
    await cp(join(dir, 'a'), copy, { recursive: true });
    for (const name of ['00000000.json', '00000003.json.bak', 'README']) await writeFile(join(copy, 'ledger', name), 'x');
    const report = await verifyLedger({ ...repository, store: createFileStore(copy) });
    expect(report).toMatchObject({ ok: true, entries: 25 });
    expect(report.notices).toHaveLength(3);
    expect(report.notices[0]).toBe('ledger/00000000.json is no entry, and does not belong here');
  });

  it('keeps its order when an entry cannot be written', async () => {
    const copy = join(dir, 'away');
    await cp(join(dir, 'a'), copy, { recursive: true });
    const store = createFileStore(copy);
    let away = true;
    const flaky = wrapStore(store, {
      put: async (key, body, options) => {
        if (away) throw new HoldfastError('STORE_UNREACHABLE', 'away');
        return store.put(key, body, options);
      },
    });
    const writer = ledger({ ...repository, store: flaky });
    const lost = writer.append(fact('lost'));
    const kept = lost.catch(() => {
      away = false;
      return writer.append(fact('kept'));
    });
    await expect(lost).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    expect(await kept).toMatchObject({ seq: 26, subject: 'kept' });
    expect((await verifyLedger({ ...repository, store })).ok).toBe(true);
  });

  it('notices a clock that went backwards, without calling it an alteration', async () => {
    const early = openLedger(repository, {
      signingKey: keys.privatePem,
      runtime: { ...testRuntime, now: () => new Date(Date.now() - 3_600_000) },
    });
    await early.append(fact('late'));
    const report = await verifyLedger(repository);
    expect(report.ok).toBe(true);
    expect(report.notices[0]).toContain('a clock was wrong');
  });

  it('refuses to be trusted when another key signed it', async () => {
    const report = await verifyLedger(repository, { trusted: [generateSigningKey().publicPem] });
    expect(report.ok).toBe(false);
    expect(report.problems[0]).toContain('none of the trusted ones');
  });
});

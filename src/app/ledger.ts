import { countBackup } from '../domain/backup-counts.ts';
import type { BackupOutcome } from '../domain/backup-set.ts';
import { asHoldfastError } from '../domain/errors.ts';
import type { LedgerFact } from '../domain/ledger.ts';
import type { RestoreOptions, RestoreOutcome } from '../domain/restore-plan.ts';
import type { Runtime } from '../domain/runtime.ts';
import type { Repository } from '../repository/repository.ts';
import type { Keys } from './keys.ts';
import { actorHere } from './user.ts';

interface Parts {
  readonly keys: Keys;
  readonly runtime: Runtime;
  readonly onWarning: (text: string) => void;
  readonly repository: Repository;
}

type Fact = Omit<LedgerFact, 'actor'>;

/**
 * Tells the ledger what was done by hand. Entries are signed: where there is no signing key, as with whoever may only restore, nothing can be
 * told, which is a warning where something begins. What cannot be told fails nothing that has happened already.
 */
export async function tellLedger(
  { keys, runtime, onWarning, repository }: Parts,
  facts: () => Promise<readonly Fact[]> | readonly Fact[],
): Promise<void> {
  try {
    if (!keys.canSign()) {
      const begun = (await facts()).find(({ action }) => !action.endsWith('.ended'));
      if (begun !== undefined)
        onWarning(
          `the ledger is not told of this (${begun.action} ${begun.subject}): its entries are signed, and there is no signing key here`,
        );
      return;
    }
    const { openLedger } = await import('../repository/ledger.ts');
    const ledger = openLedger(repository, { signingKey: await keys.signingKey(), trusted: await keys.trusted(), runtime });
    for (const fact of await facts()) await ledger.append({ ...fact, actor: actorHere() });
  } catch (thrown) {
    const { code, message } = asHoldfastError(thrown);
    onWarning(`the ledger was not told (${code}): ${message}`);
  }
}

export function createdFact({ info }: Repository): Fact {
  const { id, recipientFingerprints, signingKeyIds } = info;
  return { action: 'repository.created', subject: id, details: { recipients: recipientFingerprints, signedBy: signingKeyIds } };
}

/** The set, and where its keys are others than before, that too. */
export async function backupFacts(parts: Parts, outcome: BackupOutcome, tier: string, signal: AbortSignal): Promise<Fact[]> {
  const { durationMs } = outcome;
  if (outcome.phase === 'Failed') {
    return [{ action: 'backup.failed', subject: outcome.id, details: { tier, error: outcome.error, durationMs } }];
  }
  const action = outcome.phase === 'Completed' ? 'backup.completed' : 'backup.partially-failed';
  const details = { tier, ...countBackup(outcome.manifest), durationMs };
  return [{ action, subject: outcome.manifest.id, details }, ...(await keyChangeFacts(parts, outcome, signal))];
}

async function keyChangeFacts(
  { repository, keys }: Parts,
  { manifest }: Exclude<BackupOutcome, { phase: 'Failed' }>,
  signal: AbortSignal,
): Promise<Fact[]> {
  const [{ keyChange }, { setFolders }, { publicKeyOf, signingKeyId }] = await Promise.all([
    import('../repository/key-change.ts'),
    import('../repository/catalog.ts'),
    import('../crypto/signing.ts'),
  ]);
  const sets = await Array.fromAsync(setFolders(repository, { signal }));
  const [own, trusted] = [publicKeyOf(await keys.signingKey()), await keys.trusted()];
  const fact = await keyChange(repository, { manifest, sets, trusted, signal, signedBy: signingKeyId(own) });
  return fact === undefined ? [] : [fact];
}

export function restoreStarted(set: string, { concurrency: _c, ...options }: RestoreOptions): Fact {
  return { action: 'restore.started', subject: set, details: { options } };
}

/** `outcome` is undefined where it was stopped half-way. */
export function restoreEnded(set: string, outcome: RestoreOutcome | undefined): Fact {
  const details =
    outcome === undefined ? { phase: 'stopped' } : { phase: outcome.phase, totals: outcome.totals, durationMs: outcome.durationMs };
  return { action: 'restore.ended', subject: set, details };
}

import { exitCodes, HoldfastError } from '../../domain/errors.ts';
import type { LedgerHead } from '../../repository/ledger.ts';
import type { CommandSpec } from '../command.ts';
import { advise, present } from '../output.ts';

interface Options {
  readonly expect?: string;
}

export const ledgerVerify: CommandSpec<Options> = {
  name: 'verify',
  summary: 'Follow the ledger from its first entry to its last: signatures, digests, no gaps',
  details:
    'Each entry is signed and holds the digest of the one before, so that nothing in it can be altered, removed, added or moved unseen. Only what is cut off at its end leaves no trace within: note the head that is printed, keep it somewhere else, and give it the next time.',
  examples: [
    { what: 'the whole chain', line: 'holdfast ledger verify --location s3://backups/platform --keys-dir ./keys' },
    { what: 'note where it ends', line: 'holdfast ledger verify -o name > /media/usb/ledger-head' },
    { what: 'and that it still holds what was noted', line: 'holdfast ledger verify --expect "$NOTED_HEAD"' },
  ],
  exits: {
    [exitCodes.ok]: 'the chain is whole',
    [exitCodes.failed]: 'the location cannot be read',
    [exitCodes.verification]: 'an entry is missing, altered, or not signed by the expected key, or the chain does not hold the given head',
    [exitCodes.timeout]: 'not done within --timeout',
    [exitCodes.notFound]: 'the location holds no repository, or the bucket does not exist',
  },
  uses: ['keys', 'repository', 'server', 'output', 'general'],
  flags: [{ flags: '--expect <seq:sha256>', text: 'a head that was noted: the ledger must still hold it' }],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const expected = headOf(call.options.expect);
    const [app, { headText, ledgerVerdict }] = await Promise.all([call.app(), import('../render/ledger.ts')]);
    const report = await app.verifyLedger(expected, call.signal);
    await present(call, {
      document: report,
      lines: () => ledgerVerdict(report, call.style),
      names: () => (report.ok ? [headText(report.head)] : []),
    });
    if (report.entries === 0 && report.ok) advise(call, `No entries in the ledger of ${await app.location()}.`);
    return report.ok ? exitCodes.ok : exitCodes.verification;
  },
};

function headOf(text: string | undefined): LedgerHead | undefined {
  if (text === undefined) return undefined;
  const [, seq, sha256] = /^\s*(\d{1,8}):([0-9a-f]{64})\s*$/i.exec(text) ?? [];
  if (seq !== undefined && sha256 !== undefined) return { seq: Number(seq), sha256: sha256.toLowerCase() };
  throw new HoldfastError('USAGE', `--expect ${JSON.stringify(text)} is not of the form SEQ:SHA256`, {
    hint: 'give what holdfast ledger verify -o name printed',
  });
}

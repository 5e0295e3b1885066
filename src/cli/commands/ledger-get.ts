import { exitCodes, HoldfastError } from '../../domain/errors.ts';
import { type LedgerAction, ledgerActions } from '../../domain/ledger.ts';
import type { CommandSpec } from '../command.ts';
import { advise, present } from '../output.ts';

interface Options {
  readonly limit?: string;
  readonly action?: LedgerAction;
}

const defaultLimit = 50;

export const ledgerGet: CommandSpec<Options> = {
  name: 'get',
  summary: 'List what was done, newest first: backups, restores, deletions, refused requests and more',
  examples: [
    { what: 'the last 50 entries', line: 'holdfast ledger get --location s3://backups/platform --keys-dir ./keys' },
    { what: 'every deletion, and why', line: "holdfast ledger get --action set.deleted --limit 1000 -o json | jq '.entries[].details'" },
    { what: 'who restored?', line: 'holdfast ledger get --action restore.started' },
  ],
  exits: {
    [exitCodes.ok]: 'listed, even if there is none',
    [exitCodes.failed]: 'the location cannot be read',
    [exitCodes.verification]: 'an entry is missing, damaged or not signed by the expected key',
    [exitCodes.notFound]: 'the location holds no repository, or the bucket does not exist',
  },
  uses: ['keys', 'repository', 'server', 'output', 'general'],
  flags: [
    { flags: '--limit <n>', text: `entries at most; ${defaultLimit} unless given` },
    { flags: '--action <action>', text: 'only entries of this action', choices: ledgerActions },
  ],
  outputs: ['table', 'json', 'yaml', 'name'],
  run: async call => {
    const { action } = call.options;
    const limit = limitOf(call.options.limit);
    const [app, { ledgerList }] = await Promise.all([call.app(), import('../render/ledger.ts')]);
    const entries = await app.readLedger({ limit, ...(action !== undefined && { action }) }, call.signal);
    await present(call, {
      document: { entries },
      lines: () => (entries.length === 0 ? [] : ledgerList(entries, call.style, call.options.headers)),
      names: () => entries.map(entry => String(entry.seq)),
    });
    if (entries.length === 0)
      advise(call, `No entries${action === undefined ? '' : ` of ${action}`} in the ledger of ${await app.location()}.`);
    return exitCodes.ok;
  },
};

function limitOf(text: string | undefined): number {
  if (text === undefined) return defaultLimit;
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && Number.isSafeInteger(limit)) return limit;
  throw new HoldfastError('USAGE', `--limit ${JSON.stringify(text)} is not a whole number above 0`);
}

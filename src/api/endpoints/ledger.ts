import * as z from 'zod';
import { ledgerActions } from '../../domain/ledger.ts';
import { endpoint } from '../endpoint.ts';
import { ledgerHead, ledgerSeq, pageOf, pageQuery } from '../schemas/common.ts';
import { ledgerEntry, ledgerReport } from '../schemas/ledger.ts';

export const ledgerEndpoints = {
  list: endpoint({
    method: 'GET',
    path: '/ledger',
    id: 'listLedger',
    summary: 'Read what was done and refused, newest first',
    access: { resource: 'ledger', verb: 'list' },
    tenants: false,
    query: z.strictObject({ ...pageQuery(ledgerSeq), action: z.enum(ledgerActions).exactOptional() }),
    success: { status: 200, schema: pageOf('LedgerPage', ledgerEntry), description: 'One page' },
    problems: [502, 503],
  }),
  verify: endpoint({
    method: 'GET',
    path: '/ledger/verification',
    id: 'verifyLedger',
    summary: 'Follow the ledger from its first entry to its last: signatures, digests, no gaps',
    description:
      'Note the head that is answered somewhere else, and give it as `expect` the next time: what is cut off at the end leaves no other trace.',
    access: { resource: 'ledger', verb: 'list' },
    tenants: false,
    query: z.strictObject({ expect: ledgerHead.exactOptional().describe('a head that was noted, `seq:sha256`: it must still be in it') }),
    success: { status: 200, schema: ledgerReport, description: 'What was found; `ok` says whether the chain is whole' },
    problems: [502, 503, 504],
    slow: true,
  }),
};

import * as z from 'zod';
import { ledgerActions } from '../../domain/ledger.ts';
import { count, sha256, time } from './common.ts';
import { actor } from './operation.ts';

export const ledgerEntry = z
  .object({
    formatVersion: z.literal(1),
    seq: z.int().min(1),
    at: time,
    action: z.enum(ledgerActions),
    actor,
    subject: z.string(),
    details: z.record(z.string(), z.unknown()),
    previous: z.string().describe('SHA-256 of the entry before'),
    repository: z.string(),
  })
  .meta({ id: 'LedgerEntry' });

export const ledgerReport = z
  .object({
    ok: z.boolean(),
    entries: count,
    head: z.object({ seq: count, sha256: z.union([sha256, z.literal('')]) }).describe('where the chain ends'),
    problems: z.array(z.string()).describe('at most 100'),
    notices: z.array(z.string()).describe('strange, but no sign of alteration'),
  })
  .meta({ id: 'LedgerReport' });

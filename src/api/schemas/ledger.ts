import * as z from 'zod';
import { ledgerActions } from '../../domain/ledger.ts';
import { time } from './common.ts';
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

import { HoldfastError } from '../domain/errors.ts';
import type { Flag } from './flags.ts';

const mostCharacters = 1_000;

export interface ReasonValue {
  readonly reason?: string;
}

/** Why somebody does what others will want to understand. */
export function reasonFlag(text: string): Flag {
  return { flags: '--reason <text>', text };
}

/** USAGE without a reason. */
export function reasonOf({ reason }: ReasonValue): string {
  const text = reason?.trim() ?? '';
  if (text !== '' && text.length <= mostCharacters) return text;
  const what = text === '' ? 'a reason is missing' : `the reason is longer than ${mostCharacters} characters`;
  throw new HoldfastError('USAGE', `${what}: others will want to know it`, { hint: 'pass --reason "why"' });
}

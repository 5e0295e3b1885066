import { customDefinition } from './custom-definition.ts';
import { kindOf } from './restore.ts';

/** A kind that comes and goes while something runs. */
export const passing = kindOf('passings.holdfast.test/v1 Passing');

/** What makes it a kind; JSON. */
export const passingDefinition = JSON.stringify(customDefinition('Passing', 'passings'));

/** One of its objects; JSON. */
export function passingNamed(name: string, content: object = {}): string {
  return JSON.stringify({ apiVersion: 'holdfast.test/v1', kind: 'Passing', metadata: { name }, ...content });
}

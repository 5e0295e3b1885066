import { writeFile } from 'node:fs/promises';
import type { MoverResult } from '../domain/mover.ts';
import { withoutSecrets } from './secrets.ts';

/** The kubelet cuts a termination message there, and cut JSON says nothing. */
const mostBytes = 4_096;
const mostMessage = 2_000;

/** The result as JSON of at most 4,096 bytes, without any of the secrets. */
export function resultText(result: MoverResult, secrets: readonly string[]): string {
  if (result.ok) return JSON.stringify(result);
  const message = withoutSecrets(result.message, secrets).replace(/\s+/g, ' ').trim();
  let text = '';
  for (let most = mostMessage; text === '' || Buffer.byteLength(text) > mostBytes; most = Math.floor(most / 2)) {
    text = JSON.stringify({ ...result, message: message.length > most ? `${message.slice(0, most).toWellFormed()} …` : message });
  }
  return text;
}

export async function writeResult(file: string, text: string): Promise<void> {
  await writeFile(file, text);
}

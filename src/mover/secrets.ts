import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { moverSecrets } from '../domain/mover.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What restic gets in its environment, and what must never be shown. */
export interface Secrets {
  readonly environment: Readonly<Record<string, string>>;
  readonly values: readonly string[];
}

const variables = {
  accessKeyId: 'AWS_ACCESS_KEY_ID',
  secretAccessKey: 'AWS_SECRET_ACCESS_KEY',
  sessionToken: 'AWS_SESSION_TOKEN',
} as const;

/** Reads the files of the folder; those that are not there are not needed, and restic says so where they are. */
export async function readSecrets(dir: string): Promise<Secrets> {
  const environment: Record<string, string> = {};
  const values: string[] = [];
  for (const [secret, variable] of Object.entries(variables) as [keyof typeof variables, string][]) {
    const value = await contentOf(join(dir, moverSecrets[secret]));
    if (value === undefined) continue;
    environment[variable] = value;
    values.push(value);
  }
  const password = await contentOf(join(dir, moverSecrets.password));
  if (password !== undefined) {
    environment['RESTIC_PASSWORD_FILE'] = join(dir, moverSecrets.password);
    values.push(password);
  }
  if ((await contentOf(join(dir, moverSecrets.ca))) !== undefined) environment['RESTIC_CACERT'] = join(dir, moverSecrets.ca);
  return { environment, values };
}

/** Undefined where there is no file, or nothing in it. */
async function contentOf(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return '';
    throw thrown;
  });
  return text.trim() === '' ? undefined : text.trim();
}

/** The text without any of the values. */
export function withoutSecrets(text: string, values: readonly string[]): string {
  return values.reduce((left, value) => left.replaceAll(value, '***'), text);
}

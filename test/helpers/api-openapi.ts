import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createApiServer } from '../../src/api/server.ts';
import { apiOptions } from './api-context.ts';

/** The committed copy, for who wants to read it without a service. */
export const openapiFile = resolve(import.meta.dirname, '../../docs/openapi.json');

/** The document as a service gives it out, as the committed copy has it. */
export async function openapiText(): Promise<string> {
  const server = await createApiServer(apiOptions());
  try {
    return `${JSON.stringify((await server.app.inject('/openapi.json')).json(), undefined, 1)}\n`;
  } finally {
    await server.close();
  }
}

// `node test/helpers/api-openapi.ts` renews the copy.
if (import.meta.main) await writeFile(openapiFile, await openapiText());

import { readFile, writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';

/** How to reach an API server with a bearer token. */
export interface Access {
  /** https URL */
  readonly server: string;
  readonly token: string;
  /** PEM file */
  readonly caFile: string;
  /** PEM, where a client certificate takes the token's place. */
  readonly clientCertificate?: { readonly cert: string; readonly key: string };
}

/** Writes a kubeconfig of one context, readable by its owner only, certificate and token inside. */
export async function writeKubeconfig(path: string, name: string, access: Access, namespace?: string): Promise<void> {
  const ca = (await readFile(access.caFile)).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster: { server: access.server, 'certificate-authority-data': ca } }],
    users: [{ name, user: { token: access.token } }],
    contexts: [{ name, context: { cluster: name, user: name, ...(namespace ? { namespace } : {}) } }],
  };
  await writeFile(path, stringify(config), { mode: 0o600 });
}

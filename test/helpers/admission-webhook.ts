import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { apiJson } from '../cluster/api-request.ts';
import type { Access } from '../cluster/kubeconfig.ts';
import { selfSigned } from './self-signed.ts';

interface Review {
  readonly request: { readonly uid: string; readonly name?: string };
}

export interface WebhookOptions {
  /** `picky.holdfast.test` */
  readonly name: string;
  /** Configmaps that are created in this namespace are asked for. */
  readonly namespace: string;
  /** Why an object of that name is denied; undefined to let it in. */
  readonly denies: (name: string) => string | undefined;
}

/** A validating admission webhook over HTTPS, registered with the cluster; without it nothing is let in. `asked` counts its reviews. */
export async function startAdmissionWebhook(
  access: Access,
  { name, namespace, denies }: WebhookOptions,
): Promise<{ asked(): number; stop(): Promise<void> }> {
  const { cert, key } = await selfSigned('localhost');
  let asked = 0;
  const server = createServer({ cert, key }, async (request, response) => {
    asked++;
    const { request: of } = (await json(request)) as Review;
    const message = denies(of.name ?? '');
    const answer = { uid: of.uid, allowed: message === undefined, ...(message !== undefined && { status: { message } }) };
    const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(review));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const registrations = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  const webhook = {
    ...{ name, sideEffects: 'None', admissionReviewVersions: ['v1'], failurePolicy: 'Fail', timeoutSeconds: 10 },
    clientConfig: { url: `https://localhost:${port}/`, caBundle: cert.toString('base64') },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
  };
  await apiJson(access, registrations, { method: 'POST', body: { metadata: { name }, webhooks: [webhook] } });
  return {
    asked: () => asked,
    stop: async () => {
      await apiJson(access, `${registrations}/${name}`, { method: 'DELETE' });
      server.closeAllConnections();
      server.close();
    },
  };
}

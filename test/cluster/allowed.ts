import { apiJson } from './api-request.ts';
import type { Access } from './kubeconfig.ts';
import { waitFor } from './wait.ts';

export interface Asker {
  /** As RBAC names it: `system:serviceaccount:<namespace>:<name>` for a service account. */
  readonly user: string;
  readonly groups?: readonly string[];
}

export interface WantedRight {
  readonly group?: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verb: string;
  /** In the whole cluster where there is none. */
  readonly namespace?: string;
  readonly name?: string;
}

/** Resolves when the API server goes by a role and a binding that were just made: it hears of them a moment later. */
export async function untilAllowed(access: Access, asker: Asker, resourceAttributes: WantedRight): Promise<void> {
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: { ...asker, resourceAttributes } };
  const isAllowed = async () => {
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    const review = await apiJson<{ status: { allowed: boolean } }>(access, path, { method: 'POST', body });
    return review.status.allowed;
  };
  const what = `${asker.user} may ${resourceAttributes.verb} ${resourceAttributes.resource}`;
  await waitFor(what, isAllowed, { timeoutMs: 60_000, intervalMs: 20 });
}

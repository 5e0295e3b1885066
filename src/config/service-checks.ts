import type { Finding } from './problems.ts';
import type { Settings } from './schema.ts';

/** Settings of the service that contradict each other, whoever reads them. */
export function checkService({ service = {}, notifications = {} }: Settings): Finding[] {
  const { deadMansSwitch = {} } = notifications;
  const { tls = {}, auth = {}, authorization = {}, leaderElection = {} } = service;
  const { oidc = {} } = auth;
  const { leaseDuration = 0, renewDeadline = 0, retryPeriod = 0 } = leaderElection;
  const findings: (Finding | false)[] = [
    (tls.cert === undefined) !== (tls.key === undefined) &&
      error(['service', 'tls', tls.cert === undefined ? 'key' : 'cert'], 'stands alone: a certificate and its key belong together'),
    (oidc.issuer === undefined) !== (oidc.audience === undefined) &&
      error(
        ['service', 'auth', 'oidc', oidc.issuer === undefined ? 'audience' : 'issuer'],
        'stands alone: tokens are checked by issuer and audience, both',
      ),
    oidc.jwksFile !== undefined &&
      oidc.issuer === undefined &&
      error(['service', 'auth', 'oidc', 'jwksFile'], 'needs issuer and audience, to which the keys belong'),
    authorization.roles !== undefined &&
      authorization.rolesFile !== undefined &&
      error(['service', 'authorization', 'rolesFile'], 'is set, and roles too: one of them is a mistake'),
    authorization.mode === 'roles' &&
      authorization.roles === undefined &&
      authorization.rolesFile === undefined &&
      error(
        ['service', 'authorization', 'mode'],
        'is roles, but there are none: everybody would be refused',
        'write service.authorization.roles',
      ),
    renewDeadline >= leaseDuration &&
      leaseDuration > 0 &&
      error(
        ['service', 'leaderElection', 'renewDeadline'],
        'must be shorter than leaseDuration: the leader has to stop before another one may begin',
      ),
    retryPeriod >= renewDeadline &&
      renewDeadline > 0 &&
      error(['service', 'leaderElection', 'retryPeriod'], 'must be shorter than renewDeadline, or one lost request loses the lead'),
    leaseDuration > 0 &&
      leaseDuration < 1000 &&
      error(['service', 'leaderElection', 'leaseDuration'], 'must be 1s at least: a Lease counts in seconds'),
    deadMansSwitch.url !== undefined &&
      deadMansSwitch.urlFile !== undefined &&
      error(['notifications', 'deadMansSwitch', 'urlFile'], 'is set, and url too: one of them is a mistake'),
  ];
  return findings.filter(finding => finding !== false);
}

function error(path: readonly string[], message: string, hint?: string): Finding {
  return { path, message, severity: 'error', ...(hint === undefined ? {} : { hint }) };
}

import { expect, it } from 'vitest';
import { loadConfig } from './load.ts';
import { serviceConfig } from './service.ts';

const environment = { variables: { POD_NAMESPACE: 'ops' }, directory: '/work', home: '/home/someone' };
const given = (settings: Record<string, unknown>) =>
  loadConfig(environment, { flags: Object.entries(settings).map(([setting, value]) => ({ setting, flag: `--${setting}`, value })) });

it('fills in everything that a service runs with', async () => {
  const config = await serviceConfig(
    await given({
      'service.insecureHttp': true,
      'service.rateLimit.perMinute': '60',
      'service.auth.oidc.issuer': 'https://i',
      'service.auth.oidc.audience': 'a',
      'service.auth.oidc.groupsPrefix': '',
      'service.listen': '[::1]:0',
    }),
  );
  expect(config).toEqual({
    listen: { host: '::1', port: 0 },
    metricsListen: { host: '127.0.0.1', port: 9090 },
    tls: undefined,
    insecureHttp: true,
    trustedProxies: [],
    auth: {
      tokenReview: { audiences: ['holdfast'] },
      oidc: { issuer: 'https://i', audience: 'a', usernameClaim: 'sub', groupsClaim: 'groups', groupsPrefix: '' },
      tokensFile: undefined,
    },
    authorization: { mode: 'subjectAccessReview', roles: undefined, rolesFile: undefined, tenants: {} },
    identityDir: undefined,
    limits: { bodyBytes: 1_048_576, handlerMs: 30_000, requestsPerMinute: 60, requestsPerSecond: 200 },
    leaderElection: {
      enabled: true,
      namespace: 'ops',
      name: 'holdfast',
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2000,
    },
    shutdownGraceMs: 25_000,
    retention: { schedule: '30 4 * * *', maxShare: 0.25, clusters: [] },
    catalogRefreshMs: 60_000,
    notifications: { deadMansSwitch: { every: 300_000 } },
    logs: { level: 'info', format: 'json' },
    operationsKeptMs: 7_776_000_000,
  });
});

it('listens on all addresses where only a port is given', async () => {
  const config = await serviceConfig(await given({ 'service.listen': ':8443', 'service.tls.cert': 'a.crt', 'service.tls.key': 'a.key' }));
  expect(config.listen).toEqual({ host: '', port: 8443 });
  expect(config.tls).toEqual({ certFile: '/work/a.crt', keyFile: '/work/a.key' });
});

it('does not start where nobody could log in', async () => {
  const nobody = { 'service.insecureHttp': true, 'service.auth.tokenReview.audiences': [] };
  await expect(given(nobody).then(serviceConfig)).rejects.toThrow('there is no way to log in to the API');
  const tokens = await serviceConfig(await given({ ...nobody, 'service.auth.tokensFile': 'tokens' }));
  expect(tokens.auth).toEqual({ tokenReview: undefined, oidc: undefined, tokensFile: '/work/tokens' });
});

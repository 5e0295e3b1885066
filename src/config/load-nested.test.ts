import { describe, expect, it } from 'vitest';
import { configFiles, failure, flag } from '../../test/helpers/config-files.ts';
import { defaultPolicies } from './default-policy.ts';
import { readConfig } from './load.ts';
import { environmentName, settingPaths } from './schema.ts';

const { path, environment, file, load } = configFiles();

describe('settings far below', () => {
  it('come in by file, environment and flag as the others do', async () => {
    const config = await load(
      { HOLDFAST_SERVICE_AUTH_OIDC_ISSUER: 'https://issuer.example', HOLDFAST_SERVICE_LEADER_ELECTION_ENABLED: 'false' },
      [flag('service.leaderElection.leaseDuration', '30s')],
      await file('service:\n  bodyLimit: 512KiB\n  retention: {maxShare: 10%}\n  auth:\n    oidc: {audience: holdfast}\n'),
    );
    expect(config.settings.service).toMatchObject({
      bodyLimit: 524_288,
      retention: { schedule: '30 4 * * *', maxShare: 0.1 },
      auth: { oidc: { issuer: 'https://issuer.example', audience: 'holdfast', usernameClaim: 'sub' } },
      leaderElection: { enabled: false, leaseDuration: 30_000, renewDeadline: 10_000 },
    });
    expect(config.origins.get('service.auth.oidc.issuer')).toBe('HOLDFAST_SERVICE_AUTH_OIDC_ISSUER');
    expect(config.origins.get('service.auth.oidc.audience')).toBe('etc/holdfast.yaml:5');
    expect(config.origins.get('service.leaderElection.leaseDuration')).toBe('--service.leaderElection.leaseDuration');
  });

  it('have their paths resolved, in lists too', async () => {
    const config = await load(
      {},
      [],
      await file(
        'service: {tls: {cert: tls/tls.crt, key: ~/tls.key}}\nnotifications:\n  webhooks: [{url: "https://a.example/x", secretFile: hook.key}]\n  slack: [{urlFile: ../slack}]',
      ),
    );
    expect(config.settings.service?.tls).toEqual({ cert: path('etc/tls/tls.crt'), key: '/home/someone/tls.key' });
    expect(config.settings.notifications).toMatchObject({
      webhooks: [{ url: 'https://a.example/x', secretFile: path('etc/hook.key') }],
      slack: [{ urlFile: path('slack') }],
    });
  });

  it('have names that Kubernetes gives to no variable of its own for a Service called holdfast', () => {
    const injected = /^HOLDFAST_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_.*)?)$/;
    expect(settingPaths.map(environmentName).filter(name => injected.test(name))).toEqual([]);
  });

  it.each([
    ['service: {listen: localhost}', 'service.listen must be an address such as 127.0.0.1:8443, [::1]:8443 or :8443, not "localhost"'],
    ['service: {listen: "a:70000"}', 'service.listen must be an address'],
    ['service:\n  tls: {cert: a}', ':2: service.tls.cert stands alone'],
    ['service: {auth: {oidc: {issuer: "https://a"}}}', 'service.auth.oidc.issuer stands alone'],
    ['service: {auth: {oidc: {issuer: a}}}', 'service.auth.oidc.issuer must be an address that begins with https:// or http://'],
    ['service: {leaderElection: {renewDeadline: 15s}}', 'service.leaderElection.renewDeadline must be shorter than leaseDuration'],
    ['service: {leaderElection: {retryPeriod: 10s}}', 'service.leaderElection.retryPeriod must be shorter than renewDeadline'],
    ['service: {authorization: {mode: roles}}', 'service.authorization.mode is roles, but there are none'],
    [
      'service: {authorization: {roles: {admin: {}}}}',
      'unknown setting service.authorization.roles.admin; there are viewer, operator, restorer',
    ],
    [
      'service: {authorization: {tenants: {a: {users: [u], namespaces: []}}}}',
      'service.authorization.tenants.a.namespaces must not be empty',
    ],
    ['service: {authorization: {tenants: {a: {namespaces: [n]}}}}', 'service.authorization.tenants.a needs users or groups'],
    ['service: {retention: {maxShare: 0%}}', 'service.retention.maxShare must be more than 0%'],
    ['service: {bodyLimit: 1 MB}', 'service.bodyLimit must be a size such as 512KiB or 1MiB, not "1 MB"'],
    ['notifications: {webhooks: [{events: [failure]}]}', 'notifications.webhooks needs url or urlFile'],
    ['notifications: {slack: [{urlFile: a, events: [sunrise]}]}', 'notifications.slack.events must be failure, recovery, overdue or'],
    [
      'notifications: {slack: [{url: "https://hooks.example/secret"}]}',
      'unknown setting notifications.slack.0.url; there are urlFile, events',
    ],
    ['notifications: {email: [{host: h, from: a, to: b, passwordFile: p}]}', 'needs usernameFile and passwordFile, or neither'],
    ['notifications:\n  slack:\n    - events: [failure]', 'etc/holdfast.yaml:3: notifications.slack.urlFile is missing'],
    ['policies: {p: {}}', 'policies.p.tiers is missing'],
    ['logs: {level: loud}', 'logs.level must be trace, debug, info, warn or error'],
    ['policies: [a]', 'policies must be a map of policies'],
    [
      'policies:\n  p:\n    tiers:\n      daily:\n        schedule: "@daily"\n        keep: 0d',
      'etc/holdfast.yaml:6: policies.p.tiers.daily.keep must be',
    ],
    [
      'policies:\n  p:\n    tiers: {}\n    tires: {}',
      'etc/holdfast.yaml:4: unknown setting policies.p.tires; there are objectives, timeZone,',
    ],
    ['policies:\n  p: {tiers: {}}\n  p: {tiers: {}}', 'etc/holdfast.yaml:3: map keys must be unique'],
  ])('are checked: %j', async (text, message) => {
    expect(await failure(load({}, [], await file(text)))).toContain(message);
  });

  it('that are misspelt are asked back for', async () => {
    await expect(load({}, [], await file('servce: {}'))).rejects.toMatchObject({ hint: 'did you mean service?' });
    await expect(load({}, [], await file('zzz: {}'))).rejects.toMatchObject({ hint: expect.stringContaining('schema') });
  });
});

describe('policies', () => {
  it('are the default policy where the file has none', async () => {
    const config = await load({}, [], await file('tier: daily'));
    expect(config.policies).toEqual(defaultPolicies);
    expect(config.where(['policies', 'platform'])).toBe('default');
    expect(config.warnings).toEqual([]);
  });

  it('are none where the file says so, with a warning', async () => {
    const config = await load({}, [], await file('policies: {}'));
    expect(config.policies).toEqual([]);
    expect(config.warnings).toEqual(['etc/holdfast.yaml:1: policies has no policy: no backup is taken by the clock']);
  });

  it('replace the default policy as a whole, and each field knows its line', async () => {
    const text = 'policies:\n  apps:\n    tiers:\n      hourly:\n        schedule: "@hourly"\n        keep: 48h\n';
    const config = await load({}, [], await file(text));
    expect(config.policies.map(({ name }) => name)).toEqual(['apps']);
    expect(config.where(['policies', 'apps', 'tiers', 'hourly', 'keep'])).toBe('etc/holdfast.yaml:6');
  });

  it('come by the file alone', async () => {
    expect(await failure(load({ HOLDFAST_POLICIES: 'none' }))).toBe('HOLDFAST_POLICIES: must be a map of policies');
  });

  it('are told all that is wrong with them at once', async () => {
    const { problems } = await readConfig(environment({ HOLDFAST_CONCURRENCY: 'x' }), {
      file: await file('tier: A\npolicies:\n  p:\n    tiers: {d: {keep: 1d}}\n'),
    });
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('etc/holdfast.yaml:1: tier must be'),
      expect.stringContaining('etc/holdfast.yaml:4: policies.p.tiers.d needs a schedule'),
      expect.stringContaining('HOLDFAST_CONCURRENCY: must be a whole number'),
    ]);
  });
});

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isCode } from '../domain/errors.ts';
import { defaultPolicies } from './default-policy.ts';
import type { Environment } from './environment.ts';
import { type Config, type FlagValue, loadConfig as load, readConfig, required } from './load.ts';
import { environmentName, settingPaths } from './schema.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-config-'));
  await mkdir(join(dir, 'etc'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function environment(variables: Record<string, string> = {}): Environment {
  return { variables, directory: dir, home: '/home/someone' };
}

async function file(text: string): Promise<string> {
  await writeFile(join(dir, 'etc', 'holdfast.yaml'), text);
  return 'etc/holdfast.yaml';
}

function loadConfig(from: Environment, flags: readonly FlagValue[] = [], name?: string): Promise<Config> {
  return load(from, { flags, file: name });
}

const flag = (setting: string, value: unknown): FlagValue => ({ setting, flag: `--${setting}`, value });

async function failure(run: Promise<unknown>): Promise<string> {
  const thrown = await run.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!isCode(thrown, 'CONFIG_INVALID')) throw new Error(`expected CONFIG_INVALID, got ${thrown}`);
  return thrown.message;
}

describe('which value wins', () => {
  const text = 'tier: from-file\nconcurrency: 1\nsealIndex: true\ns3:\n  region: from-file\n';

  it('is the flag’s over the environment’s over the file’s over the default', async () => {
    const config = await loadConfig(
      environment({ HOLDFAST_TIER: 'from-env', HOLDFAST_CONCURRENCY: '2' }),
      [flag('tier', 'from-flag')],
      await file(text),
    );
    expect(config.settings).toMatchObject({ tier: 'from-flag', concurrency: 2, sealIndex: true, insecurePlaintext: false });
  });

  it('is told with where it came from', async () => {
    const config = await loadConfig(environment({ HOLDFAST_CONCURRENCY: '2' }), [flag('tier', 'from-flag')], await file(text));
    expect(Object.fromEntries(config.origins)).toMatchObject({
      tier: '--tier',
      concurrency: 'HOLDFAST_CONCURRENCY',
      sealIndex: 'etc/holdfast.yaml:3',
      's3.region': 'etc/holdfast.yaml:5',
      insecurePlaintext: 'default',
    });
  });

  it('is decided setting by setting inside a group', async () => {
    const config = await loadConfig(environment({ HOLDFAST_S3_ENDPOINT: 'https://minio' }), [flag('s3.pathStyle', true)], await file(text));
    expect(config.settings.s3).toEqual({ endpoint: 'https://minio', region: 'from-file', pathStyle: true });
  });

  it('is the whole list where lists meet', async () => {
    const config = await loadConfig(
      environment({ HOLDFAST_SELECTION_INCLUDE_NAMESPACES: 'a, b' }),
      [],
      await file('selection:\n  includeNamespaces: [x, y, z]\n  excludeKinds: [events]\n'),
    );
    expect(config.settings.selection).toEqual({ includeNamespaces: ['a', 'b'], excludeKinds: ['events'] });
  });

  it('takes an empty variable for none', async () => {
    const config = await loadConfig(environment({ HOLDFAST_TIER: '' }), [], await file('tier: daily'));
    expect(config.settings.tier).toBe('daily');
  });

  it('finds the file by HOLDFAST_CONFIG, and prefers --config', async () => {
    await writeFile(join(dir, 'other.yaml'), 'tier: other');
    const variables = { HOLDFAST_CONFIG: 'other.yaml' };
    expect((await loadConfig(environment(variables), [])).settings.tier).toBe('other');
    expect((await loadConfig(environment(variables), [], await file('tier: named'))).settings.tier).toBe('named');
  });
});

describe('values', () => {
  it('of text become numbers, booleans, durations and lists', async () => {
    const config = await loadConfig(
      environment({
        HOLDFAST_CONCURRENCY: '8',
        HOLDFAST_SEAL_INDEX: 'true',
        HOLDFAST_TIMEOUT: '1h30m',
        HOLDFAST_RECIPIENTS: 'age1a,age1b',
      }),
      [],
    );
    expect(config.settings).toMatchObject({ concurrency: 8, sealIndex: true, timeout: 5_400_000, recipients: ['age1a', 'age1b'] });
  });

  it('that are paths belong to the file they stand in, else to the working directory', async () => {
    const config = await loadConfig(
      environment({ HOLDFAST_IDENTITY: 'mine.identity' }),
      [flag('location', 'repo')],
      await file('keysDir: ../keys\nsigningKey: ~/signing.key\nsigningPublicKey: /etc/signing.pub'),
    );
    expect(config.settings).toMatchObject({
      keysDir: join(dir, 'keys'),
      signingKey: '/home/someone/signing.key',
      signingPublicKey: '/etc/signing.pub',
      identity: join(dir, 'mine.identity'),
      location: join(dir, 'repo'),
    });
  });

  it('that are URLs stay as they are', async () => {
    const config = await loadConfig(environment(), [flag('location', 's3://bucket/prefix')]);
    expect(config.settings.location).toBe('s3://bucket/prefix');
  });
});

describe('a mistake', () => {
  it.each([
    ['a: [', 'etc/holdfast.yaml:1: '],
    ['tier: daily\ntier: weekly', 'etc/holdfast.yaml:2: map keys must be unique'],
    ['- tier', 'etc/holdfast.yaml:1: must be a map of settings'],
    ['tier: daily\n\nconcurency: 4', 'etc/holdfast.yaml:3: unknown setting concurency; there are location, s3,'],
    ['s3:\n  region: x\n  secretKey: hunter2', 'etc/holdfast.yaml:3: unknown setting s3.secretKey; there are endpoint, region, pathStyle'],
    ['tier: daily\nconcurrency: many', 'etc/holdfast.yaml:2: concurrency must be a whole number, not "many"'],
    ['concurrency: 0', 'etc/holdfast.yaml:1: concurrency must be at least 1'],
    ['concurrency: 2.5', 'etc/holdfast.yaml:1: concurrency must be a whole number, not 2.5'],
    ['sealIndex: perhaps', 'etc/holdfast.yaml:1: sealIndex must be true or false'],
    ['timeout: 10 minutes', 'etc/holdfast.yaml:1: timeout must be a duration such as 90s, 10m or 1h30m, not "10 minutes"'],
    ['tier: Daily', 'etc/holdfast.yaml:1: tier must be lower-case letters and digits with single dashes between'],
    ['recipients:\n  - age1a\n  - ""', 'etc/holdfast.yaml:3: recipients must not have empty entries'],
    ['selection:\n  clusterScoped: sometimes', 'etc/holdfast.yaml:2: selection.clusterScoped must be auto, always or never'],
  ])('in the file is named with its line: %j', async (text, message) => {
    expect(await failure(loadConfig(environment(), [], await file(text)))).toContain(message);
  });

  it('in the environment is named with its variable', async () => {
    expect(await failure(loadConfig(environment({ HOLDFAST_S3_PATH_STYLE: 'maybe' }), []))).toBe(
      'HOLDFAST_S3_PATH_STYLE: must be true or false',
    );
  });

  it('in a flag is named with the flag', async () => {
    expect(await failure(loadConfig(environment(), [flag('concurrency', '0')]))).toBe('--concurrency: must be at least 1');
  });

  it('is found even where another value hides it', async () => {
    expect(await failure(loadConfig(environment(), [flag('concurrency', '4')], await file('concurrency: many')))).toContain(
      'holdfast.yaml:1',
    );
  });

  it('in a secret’s place is not repeated', async () => {
    const message = await failure(loadConfig(environment(), [], await file('recipients: { a: AGE-SECRET-KEY-1XYZ }')));
    expect(message).not.toContain('AGE-SECRET-KEY');
  });

  it('in the name of the file says so', async () => {
    expect(await failure(loadConfig(environment(), [], 'nowhere.yaml'))).toBe('cannot read config file nowhere.yaml: no such file');
  });
});

it('a setting that is needed and missing is asked for in all three ways', () => {
  expect(() => required(undefined, 's3.endpoint', '--s3-endpoint')).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      hint: 'pass --s3-endpoint, set HOLDFAST_S3_ENDPOINT, or write s3.endpoint: in the file named by --config',
    }),
  );
});

describe('settings far below', () => {
  it('come in by file, environment and flag as the others do', async () => {
    const config = await loadConfig(
      environment({ HOLDFAST_SERVICE_AUTH_OIDC_ISSUER: 'https://issuer.example', HOLDFAST_SERVICE_LEADER_ELECTION_ENABLED: 'false' }),
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
    const config = await loadConfig(
      environment(),
      [],
      await file(
        'service: {tls: {cert: tls/tls.crt, key: ~/tls.key}}\nnotifications:\n  webhooks: [{url: "https://a.example/x", secretFile: hook.key}]\n  slack: [{urlFile: ../slack}]',
      ),
    );
    expect(config.settings.service?.tls).toEqual({ cert: join(dir, 'etc/tls/tls.crt'), key: '/home/someone/tls.key' });
    expect(config.settings.notifications).toMatchObject({
      webhooks: [{ url: 'https://a.example/x', secretFile: join(dir, 'etc/hook.key') }],
      slack: [{ urlFile: join(dir, 'slack') }],
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
    expect(await failure(loadConfig(environment(), [], await file(text)))).toContain(message);
  });

  it('that are misspelt are asked back for', async () => {
    await expect(loadConfig(environment(), [], await file('servce: {}'))).rejects.toMatchObject({ hint: 'did you mean service?' });
    await expect(loadConfig(environment(), [], await file('zzz: {}'))).rejects.toMatchObject({ hint: expect.stringContaining('schema') });
  });
});

describe('policies', () => {
  it('are the default policy where the file has none', async () => {
    const config = await loadConfig(environment(), [], await file('tier: daily'));
    expect(config.policies).toEqual(defaultPolicies);
    expect(config.where(['policies', 'platform'])).toBe('default');
    expect(config.warnings).toEqual([]);
  });

  it('are none where the file says so, with a warning', async () => {
    const config = await loadConfig(environment(), [], await file('policies: {}'));
    expect(config.policies).toEqual([]);
    expect(config.warnings).toEqual(['etc/holdfast.yaml:1: policies has no policy: no backup is taken by the clock']);
  });

  it('replace the default policy as a whole, and each field knows its line', async () => {
    const text = 'policies:\n  apps:\n    tiers:\n      hourly:\n        schedule: "@hourly"\n        keep: 48h\n';
    const config = await loadConfig(environment(), [], await file(text));
    expect(config.policies.map(({ name }) => name)).toEqual(['apps']);
    expect(config.where(['policies', 'apps', 'tiers', 'hourly', 'keep'])).toBe('etc/holdfast.yaml:6');
  });

  it('come by the file alone', async () => {
    expect(await failure(loadConfig(environment({ HOLDFAST_POLICIES: 'none' })))).toBe('HOLDFAST_POLICIES: must be a map of policies');
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

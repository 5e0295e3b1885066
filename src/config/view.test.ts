import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { configFiles, flag } from '../../test/helpers/config-files.ts';
import { type SettingInForce, settingsInForce } from './view.ts';

const { path, file, load } = configFiles();
const of = (settings: readonly SettingInForce[], name: string) => settings.find(({ setting }) => setting === name);

it('tells every setting as it would be written, with its origin', async () => {
  const settings = settingsInForce(
    await load(
      { HOLDFAST_TIMEOUT: '90m', HOLDFAST_SERVICE_AUTH_TOKENS_FILE: 'tokens' },
      [flag('service.retention.maxShare', '10%')],
      await file('service:\n  bodyLimit: 2097152\n  tls: {cert: a, key: b}\nrecipients: [age1a, age1b]'),
    ),
  );
  expect(of(settings, 'timeout')).toEqual({ setting: 'timeout', value: '1h30m', origin: 'HOLDFAST_TIMEOUT' });
  expect(of(settings, 'service.retention.maxShare')).toMatchObject({ value: '10%', origin: '--service.retention.maxShare' });
  expect(of(settings, 'service.bodyLimit')).toMatchObject({ value: '2MiB', origin: 'etc/holdfast.yaml:2' });
  expect(of(settings, 'service.auth.tokensFile')).toMatchObject({ value: path('tokens') });
  expect(of(settings, 'recipients')).toMatchObject({ value: ['age1a', 'age1b'], origin: 'etc/holdfast.yaml:4' });
  expect(of(settings, 'service.leaderElection.leaseDuration')).toMatchObject({ value: '15s', origin: 'default' });
});

it('tells policies and notifications field by field, each with its line', async () => {
  const text = `policies:
  apps:
    objectives: {rpo: 2h}
    tiers:
      hourly:
        schedule: "@hourly"
        keep: 2d
        parts: [resources]
notifications:
  email:
    - host: mail.example
      from: a@example.org
      to: [b@example.org]
`;
  const settings = settingsInForce(await load({}, [], await file(text)));
  expect(settings.filter(({ setting }) => setting.startsWith('policies'))).toEqual([
    { setting: 'policies.apps.objectives.rpo', value: '2h', origin: 'etc/holdfast.yaml:3' },
    { setting: 'policies.apps.tiers.hourly.schedule', value: '@hourly', origin: 'etc/holdfast.yaml:6' },
    { setting: 'policies.apps.tiers.hourly.parts', value: ['resources'], origin: 'etc/holdfast.yaml:8' },
    { setting: 'policies.apps.tiers.hourly.keep', value: '2d', origin: 'etc/holdfast.yaml:7' },
  ]);
  expect(of(settings, 'notifications.email.0.from')).toEqual({
    setting: 'notifications.email.0.from',
    value: 'a@example.org',
    origin: 'etc/holdfast.yaml:12',
  });
});

it('tells the default policy, and that there is none', async () => {
  const settings = settingsInForce(await load({}));
  expect(of(settings, 'policies.platform.tiers.yearly.keep')).toEqual({
    setting: 'policies.platform.tiers.yearly.keep',
    value: '7y',
    origin: 'default',
  });
  expect(of(settingsInForce(await load({}, [], await file('policies: {}'))), 'policies')).toMatchObject({ value: {} });
});

it('shows no secret, even one that stands where it should not', async () => {
  const text = `location: s3://user:hunter2@bucket/x
recipients: [AGE-SECRET-KEY-1HUNTER2]
notifications:
  webhooks: [{url: "https://hooks.example/services/hunter2?key=hunter2"}]
  deadMansSwitch: {url: "https://ping.example/hunter2"}
`;
  const settings = settingsInForce(await load({}, [], await file(text)));
  expect(JSON.stringify(settings).toLowerCase()).not.toContain('hunter2');
  expect(of(settings, 'notifications.webhooks.0.url')?.value).toBe('https://hooks.example/…');
});

it('can be read as the YAML that it was', async () => {
  const text = 'operationsKept: 30d\nservice: {requestTimeout: 1m30s, retention: {maxShare: 12.5%}}';
  const settings = settingsInForce(await load({}, [], await file(text)));
  const again = parse(text) as { operationsKept: string; service: { requestTimeout: string; retention: { maxShare: string } } };
  expect(of(settings, 'operationsKept')?.value).toBe(again.operationsKept);
  expect(of(settings, 'service.requestTimeout')?.value).toBe(again.service.requestTimeout);
  expect(of(settings, 'service.retention.maxShare')?.value).toBe(again.service.retention.maxShare);
});

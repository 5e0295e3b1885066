import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { configFiles, failure, flag } from '../../test/helpers/config-files.ts';
import { required } from './load.ts';

const { path, file, load } = configFiles();

describe('which value wins', () => {
  const text = 'tier: from-file\nconcurrency: 1\nsealIndex: true\ns3:\n  region: from-file\n';

  it('is the flag’s over the environment’s over the file’s over the default', async () => {
    const config = await load({ HOLDFAST_TIER: 'from-env', HOLDFAST_CONCURRENCY: '2' }, [flag('tier', 'from-flag')], await file(text));
    expect(config.settings).toMatchObject({ tier: 'from-flag', concurrency: 2, sealIndex: true, insecurePlaintext: false });
  });

  it('is told with where it came from', async () => {
    const config = await load({ HOLDFAST_CONCURRENCY: '2' }, [flag('tier', 'from-flag')], await file(text));
    expect(Object.fromEntries(config.origins)).toMatchObject({
      tier: '--tier',
      concurrency: 'HOLDFAST_CONCURRENCY',
      sealIndex: 'etc/holdfast.yaml:3',
      's3.region': 'etc/holdfast.yaml:5',
      insecurePlaintext: 'default',
    });
  });

  it('is decided setting by setting inside a group', async () => {
    const config = await load({ HOLDFAST_S3_ENDPOINT: 'https://minio' }, [flag('s3.pathStyle', true)], await file(text));
    expect(config.settings.s3).toEqual({ endpoint: 'https://minio', region: 'from-file', pathStyle: true });
  });

  it('is the whole list where lists meet', async () => {
    const config = await load(
      { HOLDFAST_SELECTION_INCLUDE_NAMESPACES: 'a, b' },
      [],
      await file('selection:\n  includeNamespaces: [x, y, z]\n  excludeKinds: [events]\n'),
    );
    expect(config.settings.selection).toEqual({ includeNamespaces: ['a', 'b'], excludeKinds: ['events'] });
  });

  it('takes an empty variable for none', async () => {
    const config = await load({ HOLDFAST_TIER: '' }, [], await file('tier: daily'));
    expect(config.settings.tier).toBe('daily');
  });

  it('finds the file by HOLDFAST_CONFIG, and prefers --config', async () => {
    await writeFile(path('other.yaml'), 'tier: other');
    const variables = { HOLDFAST_CONFIG: 'other.yaml' };
    expect((await load(variables, [])).settings.tier).toBe('other');
    expect((await load(variables, [], await file('tier: named'))).settings.tier).toBe('named');
  });
});

describe('values', () => {
  it('of text become numbers, booleans, durations and lists', async () => {
    const config = await load(
      {
        HOLDFAST_CONCURRENCY: '8',
        HOLDFAST_SEAL_INDEX: 'true',
        HOLDFAST_TIMEOUT: '1h30m',
        HOLDFAST_RECIPIENTS: 'age1a,age1b',
      },
      [],
    );
    expect(config.settings).toMatchObject({ concurrency: 8, sealIndex: true, timeout: 5_400_000, recipients: ['age1a', 'age1b'] });
  });

  it('that are paths belong to the file they stand in, else to the working directory', async () => {
    const config = await load(
      { HOLDFAST_IDENTITY: 'mine.identity' },
      [flag('location', 'repo')],
      await file('keysDir: ../keys\nsigningKey: ~/signing.key\nsigningPublicKey: /etc/signing.pub'),
    );
    expect(config.settings).toMatchObject({
      keysDir: path('keys'),
      signingKey: '/home/someone/signing.key',
      signingPublicKey: '/etc/signing.pub',
      identity: path('mine.identity'),
      location: path('repo'),
    });
  });

  it('that are URLs stay as they are', async () => {
    const config = await load({}, [flag('location', 's3://bucket/prefix')]);
    expect(config.settings.location).toBe('s3://bucket/prefix');
  });
});

describe('a mistake', () => {
  it.each([
    ['a: [', 'etc/holdfast.yaml:1: '],
    ['tier: daily\ntier: weekly', 'etc/holdfast.yaml:2: map keys must be unique'],
    ['- tier', 'etc/holdfast.yaml:1: must be a map of settings'],
    ['tier: daily\n\nconcurency: 4', 'etc/holdfast.yaml:3: unknown setting concurency; there are location, locations, s3,'],
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
    expect(await failure(load({}, [], await file(text)))).toContain(message);
  });

  it('in the environment is named with its variable', async () => {
    expect(await failure(load({ HOLDFAST_S3_PATH_STYLE: 'maybe' }, []))).toBe('HOLDFAST_S3_PATH_STYLE: must be true or false');
  });

  it('in a flag is named with the flag', async () => {
    expect(await failure(load({}, [flag('concurrency', '0')]))).toBe('--concurrency: must be at least 1');
  });

  it('is found even where another value hides it', async () => {
    expect(await failure(load({}, [flag('concurrency', '4')], await file('concurrency: many')))).toContain('holdfast.yaml:1');
  });

  it('in a secret’s place is not repeated', async () => {
    const message = await failure(load({}, [], await file('recipients: { a: AGE-SECRET-KEY-1XYZ }')));
    expect(message).not.toContain('AGE-SECRET-KEY');
  });

  it('in the name of the file says so', async () => {
    expect(await failure(load({}, [], 'nowhere.yaml'))).toBe('cannot read config file nowhere.yaml: no such file');
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

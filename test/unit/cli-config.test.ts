import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli } from '../../src/cli/run.ts';
import { tempDir } from '../cluster/temp-dir.ts';

let directory = '';
beforeAll(async () => {
  directory = await tempDir('cli-config');
});

async function run(line: string, variables: Record<string, string> = {}) {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written) =>
    new Writable({
      decodeStrings: false,
      write: (text: string, _encoding, done) => {
        written[name] += text;
        done();
      },
    });
  const exit = await runCli([...line.split(' '), '--no-color'], {
    terminal: { stdout: stream('stdout'), stderr: stream('stderr') },
    signal: new AbortController().signal,
    environment: { variables, directory, home: '/home/someone' },
    now: () => new Date(0),
  });
  return { exit, ...written };
}

const write = (text: string) => writeFile(join(directory, 'holdfast.yaml'), text);

interface Row {
  readonly setting: string;
  readonly value: unknown;
  readonly origin: string;
}
const rows = (text: string): Row[] => (JSON.parse(text) as { settings: Row[] }).settings;

describe('holdfast config view', () => {
  it('tells every value with the flag, variable or line that gave it', async () => {
    await write('tier: nightly\nsealIndex: true\n');
    const ran = await run('config view --config holdfast.yaml --concurrency 7 -o json', { HOLDFAST_TIMEOUT: '5m' });
    expect(ran.exit, ran.stderr).toBe(0);
    expect(rows(ran.stdout)).toEqual(
      expect.arrayContaining([
        { setting: 'tier', value: 'nightly', origin: 'holdfast.yaml:1' },
        { setting: 'sealIndex', value: true, origin: 'holdfast.yaml:2' },
        { setting: 'concurrency', value: 7, origin: '--concurrency' },
        { setting: 'timeout', value: '5m', origin: 'HOLDFAST_TIMEOUT' },
        { setting: 'insecurePlaintext', value: false, origin: 'default' },
        { setting: 'policies.platform.tiers.daily.keep', value: '30d', origin: 'default' },
      ]),
    );
  });

  it('says the same as a table and as YAML, and warns', async () => {
    await write('policies: {}\n');
    const table = await run('config view --config holdfast.yaml');
    expect(table.stdout).toMatch(/^SETTING +VALUE +FROM\n/);
    expect(table.stdout).toMatch(/^policies +\{\} +holdfast\.yaml:1$/m);
    expect(table.stderr).toContain('warning: holdfast.yaml:1: policies has no policy: no backup is taken by the clock');
    const yaml = parse((await run('config view --config holdfast.yaml -o yaml')).stdout) as { warnings: string[]; file: string };
    expect(yaml.warnings).toHaveLength(1);
    expect(yaml.file).toBe(join(directory, 'holdfast.yaml'));
  });
});

describe('holdfast config check', () => {
  it('counts what is there', async () => {
    await write('policies:\n  a: {tiers: {d: {schedule: "@daily", keep: 7d}, w: {schedule: "@weekly", keep: 5w}}}\n');
    const ran = await run('config check holdfast.yaml');
    expect([ran.exit, ran.stdout]).toEqual([0, '✓ holdfast.yaml is valid: 1 policy, 2 tiers\n']);
  });

  it('names all problems with line and hint, with exit code 2', async () => {
    await write('tier: A\ntimout: 5m\n');
    const ran = await run('config check holdfast.yaml -o json');
    expect(ran.exit).toBe(2);
    expect(JSON.parse(ran.stdout)).toEqual({
      file: 'holdfast.yaml',
      valid: false,
      problems: [
        { message: expect.stringContaining('holdfast.yaml:2: unknown setting timout'), hint: 'did you mean timeout?' },
        { message: expect.stringContaining('holdfast.yaml:1: tier must be') },
      ],
      warnings: [],
    });
  });

  it('checks schedules, and warns of an objective that cannot be met', async () => {
    const tier = (schedule: string) => `policies:\n  a:\n    tiers:\n      d: {schedule: "${schedule}", keep: 7d, objectives: {rpo: 1h}}\n`;
    await write(tier('0 26 * * *'));
    const wrong = await run('config check holdfast.yaml');
    expect(wrong.exit).toBe(2);
    expect(wrong.stdout).toContain('holdfast.yaml:4: policies.a.tiers.d.schedule "0 26 * * *" is no schedule: ');
    await write(tier('0 2 * * *'));
    const warned = await run('config check holdfast.yaml');
    expect(warned.exit).toBe(0);
    expect(warned.stdout).toContain('warning: holdfast.yaml:4: policies.a.tiers.d.objectives.rpo of 1h cannot be met');
  });

  it('checks locations', async () => {
    await write('locations: {offsite: "gs://bucket"}\nlocation: s3://backups\ns3: {endpoint: "https://minio:9000/path"}\n');
    const ran = await run('config check holdfast.yaml');
    expect(ran.exit).toBe(2);
    expect(ran.stdout).toContain('holdfast.yaml:2: location cannot be used: the endpoint is no http:// or https:// address');
    expect(ran.stdout).toContain('holdfast.yaml:1: locations.offsite cannot be used: gs: is no kind of location');
  });

  it('says a number that is beyond all measure as it was written', async () => {
    await write('timeout: 99999999999999d\noperationsKept: 9999999d\nservice: {bodyLimit: 99999999GiB, requestTimeout: 30d}\n');
    const { problems } = JSON.parse((await run('config check holdfast.yaml -o json')).stdout) as { problems: { message: string }[] };
    expect(problems.map(({ message }) => message)).toEqual([
      'holdfast.yaml:1: timeout must be a duration such as 90s, 10m or 1h30m, not "99999999999999d"',
      'holdfast.yaml:3: service.bodyLimit must be a size such as 512KiB or 1MiB, not "99999999GiB"',
      'holdfast.yaml:3: service.requestTimeout must be at most 24d',
      'holdfast.yaml:2: operationsKept must be at most 365000d',
    ]);
  });

  it('looks at the file alone', async () => {
    await write('tier: daily\n');
    const ran = await run('config check holdfast.yaml --concurrency 4', { HOLDFAST_TIER: 'fine' });
    expect(ran.exit, ran.stdout + ran.stderr).toBe(0);
  });

  it('says that a file is not there', async () => {
    const ran = await run('config check nowhere.yaml');
    expect([ran.exit, ran.stderr]).toEqual([2, expect.stringContaining('cannot read config file nowhere.yaml: no such file')]);
  });
});

describe('holdfast config schema', () => {
  it('prints JSON Schema, or a table to look things up in', async () => {
    expect(JSON.parse((await run('config schema')).stdout)).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema' });
    const table = await run('config schema -o table');
    expect(table.stdout).toMatch(
      /^service\.leaderElection\.leaseDuration +duration +15s +HOLDFAST_SERVICE_LEADER_ELECTION_LEASE_DURATION /m,
    );
    expect((await run('config schema -o name')).stdout.split('\n')).toContain('policies.<name>.tiers.<name>.keep');
  });
});

it('a schedule that is none stops every command that reads the file', async () => {
  await write('policies: {a: {tiers: {d: {schedule: nightly, keep: 7d}}}}\n');
  const ran = await run('backup get --config holdfast.yaml');
  expect([ran.exit, ran.stderr]).toEqual([
    2,
    expect.stringContaining('holdfast.yaml:1: policies.a.tiers.d.schedule "nightly" is no schedule'),
  ]);
});

it('--verbose tells who gave what, without the defaults of other commands', async () => {
  await write('service: {listen: ":1"}\n');
  const ran = await run('config check holdfast.yaml -v --config holdfast.yaml');
  expect(ran.stderr).toMatch(/^service\.listen +:1 +holdfast\.yaml:1$/m);
  expect(ran.stderr).toMatch(/^tier +manual +default$/m);
  expect(ran.stderr).not.toContain('leaseDuration');
});

import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import type { CommandSpec } from '../../src/cli/command.ts';
import { longName, sharedFlags } from '../../src/cli/flags.ts';
import { readChecked } from '../../src/cli/read-config.ts';
import { defaultText } from '../../src/cli/render/config-schema.ts';
import { serviceFlags } from '../../src/cli/service-flags.ts';
import { tree } from '../../src/cli/tree.ts';
import { howTakenUp, type TakenUp, takenUp } from '../../src/config/changes.ts';
import { configJsonSchema } from '../../src/config/json-schema.ts';
import { type SettingFacts, settingReference } from '../../src/config/reference.ts';
import { settingLeaves } from '../../src/config/schema.ts';
import { tempDir } from '../cluster/temp-dir.ts';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
const published = readFileSync(join(root, 'deploy/holdfast.schema.json'), 'utf8');

const commands: readonly CommandSpec[] = tree.flatMap(node => ('commands' in node ? node.commands : [node]));
const allFlags = [...Object.values(sharedFlags).flat(), ...serviceFlags, ...commands.flatMap(spec => spec.flags ?? [])];
const flags = new Map(allFlags.map(flag => [flag.setting, longName(flag)]));

const sections = ['validation', 'policies', 'volumes', 'service', 'notifications', 'logs'];
const sectionOf = ({ setting }: SettingFacts) => sections.find(name => setting.startsWith(`${name}.`)) ?? 'general';

function row(fact: SettingFacts): string {
  const ways = [flags.get(fact.setting), fact.environment].filter(way => way !== undefined).map(way => `\`${way}\``);
  const value = defaultText(fact);
  const cells = [`\`${fact.setting}\``, fact.type, value === '' ? '' : `\`${value}\``, ways.join(' '), fact.description];
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`.replaceAll(/ {2,}/g, ' ');
}

function between(name: string): string | undefined {
  return new RegExp(`<!-- ${name}:begin -->\n([\\s\\S]*?)<!-- ${name}:end -->`).exec(page)?.[1];
}

describe('docs/configuration.md', () => {
  it.each(['general', ...sections])('lists every setting of %s with type, default, flag, variable and meaning', section => {
    const rows = settingReference().filter(fact => sectionOf(fact) === section);
    expect(rows.filter(fact => fact.description === '')).toEqual([]);
    expect(between(section)).toBe(
      `| Setting | Type | Default | Flag and variable | Meaning |\n|---|---|---|---|---|\n${rows.map(row).join('\n')}\n`,
    );
  });

  it('has the defaults that the help of flags tells', () => {
    const facts = new Map(settingReference().map(fact => [fact.setting, defaultText(fact)]));
    const told = allFlags.flatMap(({ setting, text }) => {
      const [, value] = /\(default ([^;)]+)/.exec(text) ?? [];
      return setting === undefined || value === undefined ? [] : [[setting, value]];
    });
    expect(told.length).toBeGreaterThan(20);
    expect(told).toEqual(told.map(([setting = '']) => [setting, facts.get(setting)]));
  });

  it.each(Object.keys(takenUp) as TakenUp[])('names what a running service takes up: %s', how => {
    expect(between(`taken-${how}`)).toBe(`${takenUp[how].map(name => `\`${name}\``).join(', ')}\n`);
  });

  it('says of every setting how a running service takes it up, and of none twice', () => {
    const names = Object.values(takenUp).flat();
    const holds = (name: string, path: string) => path === name || path.startsWith(`${name}.`);
    for (const { path } of settingLeaves)
      expect(
        names.filter(name => holds(name, path)),
        path,
      ).toHaveLength(1);
    for (const name of names)
      expect(
        settingLeaves.some(({ path }) => holds(name, path)),
        name,
      ).toBe(true);
    expect([howTakenUp('volumes.mover.image'), howTakenUp('policies.platform.tiers.daily.keep')]).toEqual(['byNewWork', 'atOnce']);
  });
});

describe('the example in docs/configuration.md', () => {
  const example = /```yaml\n(# yaml-language-server[\s\S]*?)```/.exec(page)?.[1] ?? '';

  it('names the published schema, and follows it', () => {
    const schema = /\$schema=(\S+)/.exec(example)?.[1] ?? '';
    expect(resolve(root, 'docs', schema)).toBe(join(root, 'deploy/holdfast.schema.json'));
    expect(z.fromJSONSchema(JSON.parse(published)).safeParse(parse(example)).error).toBeUndefined();
  });

  it('is valid, and warns of nothing', async () => {
    const directory = await tempDir('example');
    await writeFile(join(directory, 'holdfast.yaml'), example);
    const { config, problems } = await readChecked({ variables: {}, directory, home: '/' }, { file: 'holdfast.yaml' });
    expect(problems).toEqual([]);
    expect(config?.warnings).toEqual([]);
    expect(config?.policies.map(({ name }) => name)).toEqual(['platform', 'team-a']);
  });

  it('shows every group of settings', () => {
    const written = Object.keys(parse(example));
    expect([...new Set(settingLeaves.map(({ path }) => path.split('.')[0] ?? ''))].filter(name => !written.includes(name))).toEqual([
      // Ways to name single keys, and what belongs on a command line.
      ...[
        'recipients',
        'recipientsFile',
        'signingKey',
        'signingPublicKey',
        'identity',
        'kubeconfig',
        'context',
        'server',
        'timeout',
        'tier',
      ],
      ...['insecurePlaintext'],
    ]);
  });
});

describe('deploy/holdfast.schema.json', () => {
  const schema = z.fromJSONSchema(JSON.parse(published));
  const accepts = (text: string) => schema.safeParse(parse(text)).success;

  it('is what holdfast config schema prints', () => expect(JSON.parse(published)).toEqual(configJsonSchema()));

  it('has a description for every setting', () => {
    const missing: string[] = [];
    const visit = (node: Record<string, unknown>, path: string): void => {
      const properties = node['properties'] as Record<string, Record<string, unknown>> | undefined;
      for (const [name, child] of Object.entries(properties ?? {})) {
        if (child['properties'] === undefined && child['description'] === undefined) missing.push(`${path}${name}`);
        visit(child, `${path}${name}.`);
      }
      for (const key of ['items', 'additionalProperties']) {
        const below = node[key];
        if (typeof below === 'object' && below !== null) visit(below as Record<string, unknown>, `${path}${key}.`);
      }
    };
    visit(JSON.parse(published), '');
    expect(missing).toEqual([]);
  });

  it.each([
    'timeout: 1h30m',
    'sealIndex: true',
    'recipients: [age1a]',
    'recipients: age1a,age1b',
    'service: {bodyLimit: 2MiB, retention: {maxShare: 12.5%}}',
    'policies: {p: {tiers: {d: {schedule: "@daily", keep: 12mo}, y: {promote: {from: d, lastOf: year}, keep: 7y}}}}',
    'policies: {}',
  ])('accepts what Holdfast accepts: %s', text => expect(accepts(text)).toBe(true));

  it.each([
    'timout: 1h',
    'timeout: 10 minutes',
    'sealIndex: perhaps',
    'concurrency: 0',
    'service: {lissen: ":1"}',
    'policies: {p: {tiers: {d: {schedule: "@daily", keep: 0d}}}}',
    'policies: {p: {tiers: {d: {keep: 1d}}}}',
    'policies: {p: {tiers: {d: {schedule: "@daily", promote: {from: d, lastOf: year}, keep: 1d}}}}',
    'policies: {p: {tiers: {d: {schedule: "@daily", keep: 1d, parts: [disks]}}}}',
    'notifications: {slack: [{events: [failure]}]}',
  ])('refuses what Holdfast refuses: %s', text => expect(accepts(text)).toBe(false));
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { configFiles } from '../../test/helpers/config-files.ts';
import { isCode } from '../domain/errors.ts';
import { readConfig } from './load.ts';
import { settingReference } from './reference.ts';
import { settingsInForce } from './view.ts';

const { environment, file } = configFiles();

async function outcome(text: string, variables: Record<string, string> = {}): Promise<'valid' | 'refused'> {
  try {
    const { config, problems } = await readConfig(environment(variables), { file: await file(text) });
    if (config === undefined) {
      expect(problems.length).toBeGreaterThan(0);
      for (const { message } of problems) expect(message).toMatch(/^(etc\/holdfast\.yaml:\d+|HOLDFAST_[A-Z0-9_]+): /);
      return 'refused';
    }
    settingsInForce(config);
    return 'valid';
  } catch (thrown) {
    if (!isCode(thrown, 'CONFIG_INVALID')) throw thrown;
    return 'refused';
  }
}

const words = fc.constantFrom(
  '@daily',
  '0 2 * * *',
  '30d',
  '1h',
  '25%',
  'resources',
  'UTC',
  'a',
  '',
  '127.0.0.1:1',
  'true',
  '~/x',
  'https://a.b/c',
);
const { tree } = fc.letrec<{ tree: unknown }>(tie => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    words,
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom(...new Set(settingReference().flatMap(({ setting }) => setting.replaceAll('[]', '').split('.'))), '__proto__', '7'),
      tie('tree'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
}));

it('any tree in the file is either taken or refused with its line', async () => {
  await fc.assert(
    fc.asyncProperty(tree, async content => {
      await outcome(stringify(content));
    }),
    { numRuns: 400 },
  );
});

it('any text in the file is either taken or refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: fc.constantFrom(...'tier: []{}-#&*!|>?"\'\n\t ,a\0é') }), async text => {
      await outcome(text);
    }),
    { numRuns: 400 },
  );
});

it('any text in a variable is either taken or refused', async () => {
  const names = settingReference().flatMap(({ environment: name }) => (name === undefined ? [] : [name]));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), fc.oneof(fc.string(), words), async (name, value) => {
      await outcome('', { [name]: value });
    }),
    { numRuns: 400 },
  );
});

it.each([
  ['tier:', 'etc/holdfast.yaml:1'],
  ['service:\n  tls:', 'etc/holdfast.yaml:2'],
  ['policies:', 'etc/holdfast.yaml:1'],
  ['policies:\n  p:', 'etc/holdfast.yaml:2'],
  ['? [a, b]\n: 1', 'etc/holdfast.yaml:1'],
  ['a: &a [1]\nb: *a\nc: *nothing', 'etc/holdfast.yaml:3'],
])('says where in %j', async (text, place) => {
  const { problems } = await readConfig(environment(), { file: await file(text) }).catch(thrown => ({ problems: [thrown as Error] }));
  expect(problems[0]?.message).toContain(place);
});

it('refuses a file that unfolds into millions of entries', async () => {
  const bomb = [
    'a0: &a0 [x, x, x, x, x, x, x, x, x, x]',
    ...Array.from({ length: 8 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`)}]`),
  ];
  expect(await outcome(bomb.join('\n'))).toBe('refused');
});
